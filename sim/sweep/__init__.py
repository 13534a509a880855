"""A design of points, lived on an engine, kept in a store that can be resumed, extended, asked."""
