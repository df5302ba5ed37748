"""The pages of people, wired: homes, the catalog's site, scorecards, samples, sign-in at an identity provider."""
