"""Portuguese, by the English texts of the pages: `words/pt.json`. What is missing there stays English."""

import json
from pathlib import Path

PORTUGUESE: dict[str, str] = json.loads((Path(__file__).parent / "words" / "pt.json").read_text(encoding="utf-8"))
