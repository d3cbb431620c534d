//! Bills and price lists (RELIABILITY B3): closed ones never change.

use firn_protocol::api::billing::{Bill, BillingApi as _, Price, PriceList};
use firn_protocol::api::tenant::{InstanceChange, TenantApi as _};
use firn_protocol::{ErrorCode, InstanceId, TenantId, Timestamp};
use firn_tenant_service::TenantService;

use crate::books::{FIRST_HOUR_MS, HOUR_MS, event, pass, row, started};
use crate::place::{ACME, Place, START_MS, caller, new, refused};

fn list(valid_from: u64, prices: &[(&str, u64, u64)]) -> PriceList {
    let prices = prices.iter().map(|(item, micros, per)| Price {
        item: (*item).to_owned(),
        micros: *micros,
        per: *per,
    });
    PriceList {
        name: "standard".to_owned(),
        version: 0,
        valid_from: Timestamp(valid_from),
        currency: "EUR".to_owned(),
        prices: prices.collect(),
    }
}

#[tokio::test]
async fn a_month_is_billed_closed_and_corrected_in_the_next() {
    let (place, service, demo) = started().await;
    let by = caller();
    // 2023-11-15T00:00Z.
    let midnight = FIRST_HOUR_MS + 2 * HOUR_MS;
    let cheap = list(midnight, &[("unitsIn", 1, 2), ("instanceMonth", 720, 1)]);
    let cheap = service.add_prices(&by, cheap).await.unwrap();
    assert_eq!(cheap.version, 2);
    let early = list(FIRST_HOUR_MS, &[]);
    refused(
        service.add_prices(&by, early).await,
        ErrorCode::BadRequest,
        "has begun",
    );
    let rows = vec![
        row(START_MS, 1, None, 500_000),
        row(midnight, 1, None, 2),
        row(midnight + HOUR_MS, 2, None, 1),
    ];
    service
        .record_usage(&[event(demo.id, 1, (0, 9), rows)])
        .await
        .unwrap();
    // Half a month later the instance goes; it is on its last bill.
    pass(&place, midnight + 10 * 24 * HOUR_MS - START_MS);
    service.delete_instance(&by, demo.id).await.unwrap();
    let bill = service.bill(ACME, "2023-11").await.unwrap();
    let lines = |bill: &Bill| -> Vec<_> {
        let lines = bill.lines.iter();
        lines
            .map(|line| {
                (
                    line.item.clone(),
                    line.price_version,
                    line.quantity,
                    line.amount_micros,
                    line.is_correction,
                )
            })
            .collect()
    };
    let line = |item: &str, version, quantity, amount, late| {
        (item.to_owned(), version, quantity, amount, late)
    };
    let expected = [
        // 2 h at 10.00 for 720 h: 27,777.7… micros.
        line("instanceMonth", 1, 2, 27_778, false),
        line("instanceMonth", 2, 240, 240, false),
        line("unitsIn", 1, 1_000_000, 400_000, false),
        line("unitsIn", 2, 6, 3, false),
    ];
    assert_eq!(lines(&bill), expected);
    assert_eq!(
        (bill.total_micros, bill.currency.as_str()),
        (428_021, "EUR")
    );
    assert_eq!(
        (bill.is_closed, bill.lines[0].instance_name.as_str()),
        (false, "demo")
    );
    assert_eq!(service.bill_months(ACME).await.unwrap(), ["2023-11"]);
    refused(
        service.bill(ACME, "2023-12").await,
        ErrorCode::NotFound,
        "2023-12",
    );
    refused(
        service.bill(ACME, "2023-10").await,
        ErrorCode::NotFound,
        "2023-10",
    );
    refused(
        service.bill(ACME, "november").await,
        ErrorCode::BadRequest,
        "YYYY-MM",
    );

    // 24 h after the month's end, and not before.
    let december = 1_701_388_800_000;
    pass(&place, december + 24 * HOUR_MS - 1 - place.clock.now_ms());
    service.close_books().await.unwrap();
    assert!(!service.bill(ACME, "2023-11").await.unwrap().is_closed);
    pass(&place, 1);
    service.close_books().await.unwrap();
    let closed = service.bill(ACME, "2023-11").await.unwrap();
    assert!(closed.is_closed);
    assert_eq!(lines(&closed), expected);
    // What comes now is on the next bill, at the price of its hour.
    let late = vec![row(midnight, 1, None, 5), row(START_MS, 1, None, -1)];
    service
        .record_usage(&[event(demo.id, 1, (20, 29), late)])
        .await
        .unwrap();
    assert_eq!(service.bill(ACME, "2023-11").await.unwrap(), closed);
    pass(&place, HOUR_MS);
    service.close_books().await.unwrap();
    assert_eq!(service.bill(ACME, "2023-11").await.unwrap(), closed);
    let next = service.bill(ACME, "2023-12").await.unwrap();
    assert_eq!(
        lines(&next),
        [
            line("unitsIn", 1, -2, -1, true),
            line("unitsIn", 2, 10, 5, true)
        ]
    );
    assert_eq!(
        service.bill_months(ACME).await.unwrap(),
        ["2023-12", "2023-11"]
    );
    for month in ["2023-11", "2023-12"] {
        let verified = service.verify_bill(ACME, month).await.unwrap();
        assert_eq!(verified.differences, Vec::<String>::new(), "{month}");
    }
    // Nobody else pays.
    refused(
        service.bill(TenantId(67), "2023-11").await,
        ErrorCode::NotFound,
        "67",
    );
    // Months go by; each closes once, and everything stays as it was.
    pass(&place, 100 * 24 * HOUR_MS);
    service.close_books().await.unwrap();
    service.close().await;
    let service = place.open().await;
    assert_eq!(service.bill(ACME, "2023-11").await.unwrap(), closed);
    let december = service.bill(ACME, "2023-12").await.unwrap();
    assert!(december.is_closed);
    assert_eq!(december.lines, next.lines);
    assert_eq!(service.price_lists().len(), 2);
    let verified = service.verify_bill(ACME, "2023-11").await.unwrap();
    assert_eq!(
        (verified.differences.len(), verified.hours),
        (0, 0),
        "events are forgotten"
    );
}

#[tokio::test]
async fn a_change_of_plan_or_end_date_is_on_the_bill() {
    let (place, service, demo) = started().await;
    let by = caller();
    pass(&place, FIRST_HOUR_MS + 2 * HOUR_MS - START_MS);
    let change = InstanceChange {
        plan: Some("serverless".to_owned()),
        remark: Some("r".to_owned()),
        ..InstanceChange::default()
    };
    service.change_instance(&by, demo.id, change).await.unwrap();
    let change = InstanceChange {
        remark: Some("another".to_owned()),
        ..InstanceChange::default()
    };
    service.change_instance(&by, demo.id, change).await.unwrap();
    let end = Timestamp(place.clock.now_ms() + 3 * HOUR_MS);
    let change = InstanceChange {
        expires_at: Some(end),
        ..InstanceChange::default()
    };
    service.change_instance(&by, demo.id, change).await.unwrap();
    pass(&place, 24 * HOUR_MS);
    let bill = service.bill(ACME, "2023-11").await.unwrap();
    let lines: Vec<_> = bill
        .lines
        .iter()
        .map(|l| (l.plan.as_str(), l.quantity))
        .collect();
    assert_eq!(lines, [("basic", 2), ("serverless", 3)]);
}

#[tokio::test]
async fn old_instances_are_not_billed_for_the_time_before_the_books() {
    let (place, service, _) = started().await;
    pass(&place, 3 * HOUR_MS);
    let other = service
        .create_instance(&caller(), new(ACME, "other"))
        .await
        .unwrap();
    let bill = service.bill(ACME, "2023-11").await.unwrap();
    let hours: Vec<_> = bill
        .lines
        .iter()
        .map(|l| (l.instance, l.quantity))
        .collect();
    assert_eq!(hours, [(InstanceId(1), 4), (other.id, 1)]);
}

const FILE: &str = r#"
[[price_list]]
name = "own"
currency = "CNY"
price = [{ item = "apiCalls", micros = 5, per = 1 }]
[[price_list]]
name = "own"
valid_from = 1700006400000
currency = "CNY"
[[plan]]
name = "cheap"
price_list = "own"
"#;

#[tokio::test]
async fn price_lists_come_with_the_bootstrap_file_and_stay() {
    let place = Place::new();
    let service = place.open().await;
    // The second version's hour may have begun long ago on a new machine.
    pass(&place, 24 * HOUR_MS);
    let report = service.apply_bootstrap(FILE).await.unwrap();
    assert_eq!(report.created["priceList"], 2);
    let again = service.apply_bootstrap(FILE).await.unwrap();
    assert!(
        again.created.is_empty() && again.differences.is_empty(),
        "{again:?}"
    );
    let dearer = FILE.replace("micros = 5", "micros = 6");
    let report = service.apply_bootstrap(&dearer).await.unwrap();
    assert!(report.created.is_empty());
    assert!(
        report.differences[0].contains("price_list[0].price"),
        "{report:?}"
    );
    let third = format!(
        "{FILE}[[price_list]]\nname = 'own'\nvalid_from = 1700010000000\ncurrency = 'CNY'\n"
    );
    let error = service
        .apply_bootstrap(&third)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("price_list[2].valid_from") && error.contains("has begun"),
        "{error}"
    );
    let lists = async |service: &TenantService| {
        let lists = service.price_lists();
        lists
            .iter()
            .map(|l| (l.name.clone(), l.version, l.currency.clone()))
            .collect::<Vec<_>>()
    };
    let own = |version| ("own".to_owned(), version, "CNY".to_owned());
    let expected = [own(1), own(2), ("standard".to_owned(), 1, "CNY".to_owned())];
    assert_eq!(lists(&service).await, expected);
    service.close().await;
    assert_eq!(lists(&*place.open().await).await, expected);
}
