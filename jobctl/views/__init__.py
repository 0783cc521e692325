"""Model objects as Rich renderables, plain text or JSON. No queries."""
