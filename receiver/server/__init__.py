"""HTTP on an event loop: connections with every bound that uvicorn does not have by itself."""
