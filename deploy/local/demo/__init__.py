"""The sample company and one whole review cycle over it, carried out by a simulated crowd over REST."""
