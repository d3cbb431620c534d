//! Words that fields take, for the API's description. What is read and written are the
//! types of `firn_protocol`; a test holds the two together.

use utoipa::ToSchema;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($word:ident),+ }) => {
        $(#[$doc])*
        #[derive(ToSchema)]
        #[schema(rename_all = "camelCase")]
        #[expect(dead_code, reason = "describes a shape; never built")]
        pub(in crate::native) enum $name {
            $($word),+
        }
    };
}

words!(
    /// Of an instance: an answer means that the log is synced, or the object store has it.
    DurabilityWord { Local, Object }
);
words!(
    /// What gives way when the storage of the plan is full.
    DiskPolicyWord { DataFirst, ServiceFirst }
);
words!(InstanceStatusWord { Running, Frozen });
words!(
    /// Which messages a topic takes.
    TopicTypeWord { Normal, Fifo, Delay, Transaction, Mixed }
);
words!(PermissionWord {
    ReadWrite,
    Read,
    Write
});
words!(
    /// What an ordered group does with a message that always fails.
    OnPoisonWord { Block, Park, DeadLetter }
);
words!(
    /// What a token lets do.
    ScopeWord { Read, Manage, Produce, Consume }
);
words!(
    /// Of a person, within a tenant.
    RoleWord { Admin, Viewer }
);
words!(FormatWord { Csv, Xlsx });
words!(ColumnsWord { All });
words!(ModeWord {
    Clustering,
    Broadcasting
});
words!(ByWord { Hour, Day, Topic });
words!(StateWord { Open, GivenUp });
words!(KindWord { Consumer, Producer });
words!(EncodingWord { Identity, Gzip });
words!(BodyWord { Text, Base64 });

/// How a filter is written.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::native) enum FilterWord {
    #[schema(rename = "TAG")]
    Tag,
    #[schema(rename = "SQL92")]
    Sql92,
}
