"""The demo city: six departments, seven datasets, a seeded generator and the truth about every planted error."""
