//! How a limit is divided: everybody gets what it wants if there is enough, and who
//! wants most goes without first. Not in proportion to what is wanted, as whoever is
//! refused asks again, and would take by asking more what others need.

use firn_protocol::api::shares::Part;

/// What is fair for one that wants a part, beside others. What nobody wants is divided
/// equally, for those who will want more before they can say so.
pub(super) fn fair(own: Part, others: impl Iterator<Item = Part>) -> Part {
    let mut wants: Vec<u32> = others.map(Part::parts).collect();
    wants.push(own.parts());
    wants.sort_unstable();
    let count = wants.len();
    let mut left = Part::WHOLE.parts();
    for (served, want) in wants.iter().enumerate() {
        let equal = left / (count - served) as u32;
        if *want > equal {
            return own.min(Part::new(equal));
        }
        left -= want;
    }
    Part::new(own.parts() + left / count as u32)
}
