"""The language that the device and the case system both speak: no I/O, no clock, no randomness."""
