# The version and features of the tested nginx.
#
#   $version                the middle number of its version, 28 for 1.28.3
#   has(MODULE)             whether it was built with this module, 'http_v3_module' for example
#   listens_http2(ADDRESS, ...)  directives of a server that accepts HTTP/2 there; an ADDRESS may include parameters of "listen"

package Nginx;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw($version has listens_http2);

my $told = `$ENV{TEST_NGINX_BINARY} -V 2>&1`;
our ($version) = $told =~ m{^nginx version: [^/]*/1\.(\d+)};

sub has { my ($module) = @_; return scalar $told =~ /\b\Q$module\E\b/ }

# Since nginx 1.25.1, HTTP/2 is enabled by a directive of its own.
sub listens_http2 {
    return $version >= 26 ? join ' ', map({ "listen $_;" } @_), 'http2 on;' : join ' ', map { "listen $_ http2;" } @_;
}

1;
