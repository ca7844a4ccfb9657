"""`python -m gateway` is the command `ticketgate`."""

from __future__ import annotations

import sys

from gateway.admin.main import main

if __name__ == "__main__":
    sys.exit(main())
