"""One archive with everything that a machine without internet needs to make attempts: packages, models, programs."""
