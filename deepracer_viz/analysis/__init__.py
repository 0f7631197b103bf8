"""Tables in, answers out: one module per question, free of any plotting or page code."""
