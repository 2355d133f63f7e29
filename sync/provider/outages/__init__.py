"""When deliveries could not be acknowledged, and what that cost: ids without a status, and STOPs that nobody can name.

Web processes leave marks while they can acknowledge; a gap between marks is an outage. A person resolves each.
"""
