"""What a caller may ask for: each function checks it, writes intent and wakes whoever acts on it."""
