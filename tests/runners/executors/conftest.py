"""Ray as the tests want it: set here, as Ray reads this when it is imported."""

import os
import secrets

# it tells nobody of its use, and has a password of these tests alone, not one in the user's home
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
