"""The vault: readable records on the device, sealed row by row. Bytes in, bytes out; it knows no referral."""
