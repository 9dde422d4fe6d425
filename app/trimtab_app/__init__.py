"""The Streamlit front door: the package is reserved; no page is here yet."""
