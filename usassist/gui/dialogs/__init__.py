"""The windows that ask something before the work goes on; the main window opens them."""
