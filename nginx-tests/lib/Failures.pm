# The kinds of server failures, nginx's name for each, and the client's response.
#
#   failing_servers(PORT, ...)  FaultyServers on these ports; 1991 resets every connection at once, and connecting to 1992
#                               never completes. Nothing listens on 1999
#   @failures                   the kinds: a word of FaultyServers, or "refused", "connect hang", "at once"
#   %failure                    nginx's name for it ("http_503" for example); undef if no other server can be tried
#   %failing_port               the port on which it happens, if that is not one of those given
#   @conditions                 the parameters of proxy_next_upstream
#   status_of(FAILURE)          the status of the response if no other server is tried
#   is_failure(FAILURE)         whether nginx then counts it as failed; it does not count a status that it passes on

package Failures;

use strict;
use warnings;

use Exporter 'import';
use FaultyServers;

our @EXPORT = qw(failing_servers @failures %failure %failing_port @conditions status_of is_failure);

our %failure = (
    refused        => 'error',
    'connect hang' => 'timeout',
    'at once'      => 'error',
    empty          => 'error',
    reset          => 'error',
    'header-empty' => 'error',
    'header-reset' => 'error',
    hang           => 'timeout',
    'header-hang'  => 'timeout',
    'body-empty'   => undef,
    'body-hang'    => undef,
    invalid        => 'invalid_header',
    map { $_ => "http_$_" } 500, 502, 503, 504, 403, 404, 429
);
our @failures = sort keys %failure;
our %failing_port = (refused => 1999, 'connect hang' => 1992, 'at once' => 1991);
our @conditions = qw(error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429
                     non_idempotent off);

sub failing_servers {
    my $servers = FaultyServers->new(@_);
    $servers->closing(1991);
    $servers->full(1992);
    return $servers;
}

sub status_of {
    my $kind = $failure{$_[0]} // return 200;
    return $kind =~ /^http_(\d+)/ ? $1 : $kind eq 'timeout' ? 504 : 502;
}

sub is_failure { return ($failure{$_[0]} // 'http') !~ /^http/ }

1;
