"""Integrations with frameworks, one package each. `import monopod` imports none of them."""
