"""kontrib: pays a wiki's contributors in KONTRIB on Solana, every week, exactly once."""
