"""When deliveries could be acknowledged, and when not: marks that web processes leave, and the outages between them."""
