//! LKE1, attacked.
