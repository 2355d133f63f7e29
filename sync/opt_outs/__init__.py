"""People's decisions not to be messaged: how they are recorded, read, imported, taken out of lists, and proved.

Other features are handed who was messaged all the same, and the verdict whether we could have known.
"""

from sync.opt_outs.sent_after import sent_after_of
from sync.opt_outs.verdict import Knowledge, knowledge_of, verdict_cell, verdict_document, verdict_text

__all__ = ["Knowledge", "knowledge_of", "sent_after_of", "verdict_cell", "verdict_document", "verdict_text"]
