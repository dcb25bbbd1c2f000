"""Bodies of requests and shapes of answers, as the API's description shows them."""
