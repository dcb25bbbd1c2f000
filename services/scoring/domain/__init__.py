"""Pure rules of scoring; standard library and the formula parser only."""
