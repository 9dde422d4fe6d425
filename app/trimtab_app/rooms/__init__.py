"""One module per page; each has `show()`, which draws it from the store and the address.

Not called `pages`: Streamlit would take each file of a folder of that name for a page of its own.
"""
