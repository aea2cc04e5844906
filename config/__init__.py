"""Settings, the beat schedule and logging. Imports none of our other packages."""
