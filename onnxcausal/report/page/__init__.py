"""The report as a web page: one file that holds everything it shows and asks the network for nothing."""
