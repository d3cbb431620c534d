//! Values that fields of several forms take, for the API's description. The rules are
//! those of `firn_protocol::names` and of the catalogue; a test holds the numbers together.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::consume::SeekWord;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident { $($rule:tt)+ }) => {
        $(#[$doc])*
        #[derive(ToSchema)]
        #[schema($($rule)+)]
        #[expect(dead_code, reason = "describes a value; never built")]
        pub(in crate::native) struct $name(String);
    };
}

text!(
    /// A name of something new.
    Name { min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$" }
);
text!(
    /// A name of a broker.
    BrokerName { min_length = 1, max_length = 32, pattern = "^[a-z0-9_-]+$" }
);
text!(
    /// A secret of a client's own.
    SecretKey { min_length = 1, max_length = 128, pattern = "^[!-~]+$" }
);
text!(
    /// For people; at most 512 bytes.
    Remark { max_length = 512, pattern = r"^[^\u0000]*$" }
);
text!(
    /// A time zone such as `UTC+8` or `Europe/Vienna`.
    TimeZone { min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9+_/:-]+$" }
);

macro_rules! list {
    ($(#[$doc:meta])* $name:ident($of:ident, $max:literal)) => {
        $(#[$doc])*
        pub(in crate::native) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ArrayBuilder::new()
                    .items(Ref::from_schema_name(stringify!($of)))
                    .unique_items(true)
                    .max_items(Some($max))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.push((stringify!($of).to_owned(), $of::schema()));
            }
        }
    };
}

list!(
    /// Names of topics or groups, none of them twice; they need not exist.
    Names(Name, 1000)
);
list!(
    /// Names of brokers, none of them twice.
    BrokerNames(BrokerName, 64)
);

/// `"earliest"`, `"latest"` or a time in ms.
pub(in crate::native) struct Start;

impl PartialSchema for Start {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .maximum(Some(9_007_199_254_740_991_i64));
        OneOfBuilder::new()
            .item(Ref::from_schema_name("SeekWord"))
            .item(time)
            .into()
    }
}

impl ToSchema for Start {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("SeekWord".to_owned(), SeekWord::schema()));
    }
}
