"""Ways to wake a person: Apprise channels. The in-app inbox is the truth; what is here only makes someone look."""
