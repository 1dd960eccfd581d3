"""What a person can do at a site, a file per noun: plain arguments in, frozen dataclasses out, no words."""
