"""What all tests share."""

from hypothesis import settings

# a busy machine takes any time for an example, and no test is about time
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
