"""One archive with all that a machine without internet needs to make attempts: packages, models, programs."""
