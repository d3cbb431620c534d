//! Golden bytes of format version 1; made by a second implementation of the
//! format. Never edited, only added to.

use proptest::prelude::*;

use super::super::format::{BATCH_HEADER_BYTES, BLOCK, BatchHeader, FileHeader, Found};
use super::super::queue::{Queue, QueueLimits};
use super::*;

const FILE_V1: &str = concat!(
    "46524e4c01000100080706050403020107000000000000000300000000000000",
    "28000000000000002a0000000000000000000100000000000000000000000000",
    "f961f8da",
);
const BATCH_V1: &str = concat!(
    "46524e4201000000080706050403020107000000000000000300000000000000",
    "28000000000000002a0000000000000029000000000000006500000002000000",
    "80dfc24f00000000090000000200000064000000000000000b00000000000000",
    "0c00000000000000050000000500000052c9313e8974b59c68656c6c6f080000",
    "0001000000c8000000000000000d000000000000000e00000000000000060001",
    "00000000001e4ba3297e9f0201",
);
const TERMINATOR_V1: &str = concat!(
    "46524e4201000100080706050403020107000000000000000300000000000000",
    "28000000000000002a0000000000000029000000000000000000000000000000",
    "1473f13a",
);

fn golden_batch() -> BatchHeader {
    BatchHeader {
        log_id: 0x0102_0304_0506_0708,
        file: 7,
        incarnation: 3,
        began: Lsn(40),
        first_lsn: Lsn(42),
        synced: Lsn(41),
        frame_bytes: 0,
        frame_count: 0,
        terminator: true,
    }
}

fn frame_header(broker: u32, generation: u32, seq: u64, tenant: u64, kind: u8) -> FrameHeader {
    FrameHeader {
        tenant: TenantId(tenant),
        instance: InstanceId(tenant + 1),
        broker: BrokerId(broker),
        generation: Generation(generation),
        seq,
        kind,
    }
}

/// Hex of some bytes without the zeros at their end.
fn hex(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    bytes[..end]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn version_1_is_written_as_it_always_was() {
    let golden = golden_batch();
    let file = FileHeader {
        log_id: golden.log_id,
        file: 7,
        incarnation: 3,
        began: Lsn(40),
        first_lsn: Lsn(42),
        file_bytes: 65_536,
        recycled: true,
    };
    let block = file.encode();
    assert_eq!(hex(&block), FILE_V1);
    assert_eq!(FileHeader::decode(&block), Found::Valid(file));

    let mut terminator = [0xFF; BATCH_HEADER_BYTES];
    golden.encode(&mut terminator);
    assert_eq!(hex(&terminator), TERMINATOR_V1);
    assert_eq!(BatchHeader::decode(&terminator), Found::Valid(golden));

    let limits = QueueLimits {
        batch_bytes: 4096,
        capacity: 65_536 - BLOCK,
        pending_bytes: 65_536,
    };
    let mut queue = Queue::new(Lsn(42), limits);
    let first = frame_header(9, 2, 100, 11, 5);
    let second = frame_header(8, 1, 200, 13, 6);
    queue
        .push(first, &[b"he", b"llo"], None, None)
        .expect("fits");
    queue.push(second, &[], None, None).expect("fits");
    let mut batch = queue.pop().expect("two frames wait");
    batch.seal(BatchHeader {
        terminator: false,
        ..golden
    });
    assert_eq!(batch.buffer.len() as u64, BLOCK);
    assert_eq!(hex(&batch.buffer), BATCH_V1);
}

#[test]
fn a_newer_version_is_refused_and_a_damaged_version_is_not() {
    let disk = FaultyDisk::new(1);
    let opened = open(&disk);
    put(&opened.log, 1).expect("commits");
    opened.log.close().expect("closes");
    drop(opened);
    let before = disk.contents(&file(1));
    // A flipped version alone is damage, and there is no other header to go by
    // but the first batch's.
    disk.flip(&file(1), 4, 3);
    let opened = open(&disk);
    assert_eq!(opened.frames.len(), 1);
    assert_eq!(opened.recovery.damage[0].bytes, 0..BLOCK);
    drop(opened);
    // With its checksum it is a newer format.
    let mut block = before[..BLOCK as usize].to_vec();
    block[4] = 2;
    let crc = crc32c::crc32c(&block[..64]);
    block[64..68].copy_from_slice(&crc.to_le_bytes());
    disk.overwrite(&file(1), 0, &block);
    let error = try_open(&disk, config(), Lsn::ZERO).err().expect("refused");
    assert!(matches!(
        error,
        LogError::Newer {
            file: 1,
            version: 2
        }
    ));
    assert!(error.to_string().contains("use a newer one"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the bytes of a log file are, opening it ends, and well.
    #[test]
    fn any_file_gets_a_defined_answer(
        bytes in prop::collection::vec(any::<u8>(), 0..6000),
        keep in 0usize..2000,
    ) {
        let disk = FaultyDisk::new(1);
        let opened = open(&disk);
        for seq in 0..8 {
            put(&opened.log, seq).expect("commits");
        }
        drop(opened);
        let mut contents = disk.contents(&file(1));
        contents.truncate(keep);
        contents.extend(&bytes);
        disk.truncate(&file(1), 0);
        disk.overwrite(&file(1), 0, &contents);
        match try_open(&disk, config(), Lsn::ZERO) {
            Ok(opened) => {
                for (_, header, bytes) in opened.frames {
                    prop_assert_eq!(bytes, payload(header.seq));
                }
            }
            Err(error) => prop_assert!(matches!(error, LogError::Unreadable), "{}", error),
        }
    }
}
