//! Price lists: one built in, others made by the operator. A version never changes.

use std::sync::Arc;

use firn_protocol::api::billing::PriceList;
use firn_protocol::{ApiResult, Timestamp};
use serde_json::json;

use super::{Change, Draft};
use crate::billing::time::Hour;

/// Adds the next version of a list, valid from an hour that has not begun.
pub(crate) fn add(draft: &mut Draft<'_>, list: PriceList) -> ApiResult<Arc<PriceList>> {
    let first_valid = Hour::of(draft.now).end();
    put(draft, list, first_valid)
}

/// The same for a list that is new with a bootstrap file, which may be valid from any
/// hour: nothing was priced by it yet.
pub(crate) fn begin(draft: &mut Draft<'_>, list: PriceList) -> ApiResult<Arc<PriceList>> {
    put(draft, list, Timestamp(0))
}

fn put(
    draft: &mut Draft<'_>,
    list: PriceList,
    first_valid: Timestamp,
) -> ApiResult<Arc<PriceList>> {
    let list = Arc::new(draft.memory.prices.next(list, first_valid)?);
    draft.push(Change::AddPrices(list.clone()));
    let name = format!("{}/{}", list.name, list.version);
    draft.audit(None, "priceList.add", name, json!(&*list));
    Ok(list)
}
