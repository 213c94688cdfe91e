module meshspan.test/guest

go 1.24
