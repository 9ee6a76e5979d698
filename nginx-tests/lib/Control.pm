# Draining and taking down servers while nginx runs, by PATCH requests to /status on port 1983 (lib/Upstreams.pm).
#
#   $control                   a location for these requests, for "locations"
#   patch(UPSTREAM, SERVER, BODY, FIELDS)    sends the request, and returns the response. SERVER is a letter (lib/Servers.pm),
#                              or the name in the path; FIELDS are names and values that replace the defaults; undef omits one
#   now(UPSTREAM, SERVER, WORD)              a test: the state is set. WORD is up, drain or down
#   shown(UPSTREAM, SERVER)    a hash: how the first server of this name is reported; undef: not at all
#   encoded(TEXT)              percent-encoded for a path
#   drains(PATH, SERVER, OTHERS)             tests, in every worker, that sessions of SERVER stay, and new ones go to OTHERS

package Control;

use strict;
use warnings;

use Client;
use Exporter 'import';
use JSON::PP ();
use Servers;
use Upstreams;
use Visits;

our @EXPORT = qw($control patch now shown encoded drains);

our $control = 'location /status { session_sticky_status; session_sticky_control on; allow 127.0.0.1; deny all; }';

sub encoded { my ($text) = @_; return $text =~ s/([^A-Za-z0-9.:~_-])/sprintf '%%%02X', ord $1/ger }

sub path { my ($upstream, $server) = @_; return "/status/upstreams/$upstream/servers/" . named($server) }
sub named { my ($server) = @_; return exists $port{$server} ? "127.0.0.1:$port{$server}" : $server }

sub patch {
    my ($upstream, $server, $body, %more) = @_;
    my %fields = (Host => 'localhost', 'Content-Type' => 'application/json', 'Content-Length' => length $body,
                  Connection => 'close', %more);
    my $method = delete $fields{method} // 'PATCH';
    my $fields = join '', map { "$_: $fields{$_}\r\n" } grep { defined $fields{$_} } sort keys %fields;
    return response(say_to_nginx("$method " . path($upstream, $server) . " HTTP/1.1\r\n$fields\r\n$body", 1983));
}

sub now ($$$) {
    my ($upstream, $server, $word) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $response = patch($upstream, $server, qq[{"state":"$word"}]);
    return equals(status($response), '200', "$server of $upstream: $word") || print map { "# $_\n" } split /\n/, $response;
}

sub shown {
    my ($upstream, $server) = @_;
    my $response = response(say_to_nginx('GET ' . path($upstream, $server)
        . " HTTP/1.0\r\nHost: localhost\r\n\r\n", 1983));
    return if status($response) ne '200';
    return JSON::PP::decode_json(body($response))->{upstreams}[0]{servers}[0];
}

sub drains ($$$) {
    my ($path, $server, $others) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @bound = everywhere($path, "route=$id{$server}");
    equals(bodies(@bound), $server, "$path: the sessions of $server stay");
    equals(cookies(@bound), '', "$path: and keep their cookies");
    my @first = everywhere($path);
    holds(bodies(@first) =~ /^[$others](?: \| [$others])*$/, "$path: new sessions go to other servers: " . bodies(@first));
    equals(scalar(grep { bound($_) ne $id{body($_)} } @first), 0, "$path: and are bound to these");
    return;
}

1;
