//! Bytes of version 1, stored for ever: these samples are only ever added to.
