"""How Attune is deployed: the embedded stack, the image, the chart."""
