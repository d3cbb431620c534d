//! A line for each thing and broker, whatever the things are.

use firn_protocol::ApiResult;
use firn_protocol::catalogue::{Broker, Instance};

use super::{Cell, Format, Selection};

/// What an export of one kind of things is made of.
pub(super) struct Export<T: 'static> {
    /// The guide's columns.
    pub(super) columns: &'static [&'static str],
    /// What these cannot say, under the names of the API.
    pub(super) more: &'static [&'static str],
    pub(super) name: fn(&T) -> &str,
    pub(super) is_on: fn(&T, &Broker) -> bool,
    /// As many as there are columns.
    pub(super) cells: fn(&T, &Instance, &Broker) -> Vec<Cell>,
    pub(super) more_cells: fn(&T) -> Vec<Cell>,
}

impl<T> Export<T> {
    /// # Errors
    /// `BAD_REQUEST` for what the format cannot hold.
    pub(super) fn write<'a>(
        &self,
        format: Format,
        instance: &Instance,
        all: impl Iterator<Item = &'a T>,
        selection: &Selection,
    ) -> ApiResult<Vec<u8>> {
        let more = self.more.iter().filter(|_| selection.all_columns);
        let header = self.columns.iter().chain(more);
        let mut rows = vec![header.map(|word| Cell::text(*word)).collect()];
        for thing in all {
            let name = (self.name)(thing);
            let brokers = instance.brokers.iter();
            let brokers = brokers.filter(|broker| (self.is_on)(thing, broker));
            for broker in brokers.filter(|broker| selection.has(name, &broker.name)) {
                let mut row = (self.cells)(thing, instance, broker);
                if selection.all_columns {
                    row.extend((self.more_cells)(thing));
                }
                rows.push(row);
            }
        }
        super::write(format, &rows)
    }
}
