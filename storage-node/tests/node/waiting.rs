//! Long polling: who is woken, and that nobody is forgotten.


