"""Winners are measured again now and then: when, how, and what becomes of them."""
