# Sessions whose servers fail, described line by line.
#
#   live($block, DIRECTIVES)    prepares a block: every upstream of its http_config gets a location with these
#                               directives. The lines of the section "stories" run, then the section "client". If the block
#                               has several workers, requests are spread over them, and X-Worker names the worker
#   chapter(LINE)               runs one more line
#   outcome(RESPONSE)           "STATUS of SERVERS", the servers by their letters; "none" if no server was tried
#   outcomes(REQUEST, ...)      the outcomes of parallel requests, each [UPSTREAM, COOKIE, PLAN, HOW]
#
# A line is
#   UPSTREAM COOKIE [POST] PLAN... => STORY
# one request: COOKIE is the ID in the cookie "route", or - for none; PLAN has a word for each try (FaultyServers.pm); STORY
# is the expected result: "STATUS of SERVERS, fails FAILS, bound to ID". FAILS are nginx's counters after it, in the order of
# the servers. After the last line, every upstream must be idle: no connections, no references, no memory lost in the zone.
#
# A, B and C, with a colon in http_config, are FaultyServers on 127.0.0.1:1985 to 1987; R refuses connections.

package Stories;

use strict;
use warnings;

use Client;
use Counters;
use Exporter 'import';
use FaultyServers;
use Servers;

our @EXPORT = qw(live chapter outcome outcomes);

my %port = (A => 1985, B => 1986, C => 1987, R => 1999);
my %letter = reverse %port;

sub live {
    my ($block, $directives) = @_;
    my $http = ($block->http_config // '') =~ s/\b([ABCR]):/127.0.0.1:$port{$1}/gr;
    $http = unforgiving($http);
    my @upstreams = $http =~ /^\s*upstream (\w+)/mg;
    my $client = client_of($block);
    $block->set_value(http_config => '');
    $block->set_value(config => 'location = /peers { upstream_peers; }');
    my $spread = ($block->workers // 1) > 1 ? 'reuseport' : '';
    fill($block, front($http, $directives, '', $spread));
    $block->set_value(client => sub {
        chapter($_) for grep { /\S/ } split /\n/, $block->stories // '';
        $client->() if $client;
        idle($_, 'at the end') for @upstreams;
    });
}

sub chapter {
    my ($line) = @_;
    my ($upstream, $cookie, $post, $plan, $wanted) = $line =~ /^(\w+) (\S+) (POST )?(.*?) => (.*)$/ or die "no story: $line";
    my $response = response(ask_for($plan, $upstream, {cookie => $cookie eq '-' ? '' : "route=$cookie",
                                                       method => $post ? 'POST' : 'GET'}));
    return equals(story($upstream, $response), $wanted, $line);
}

sub story {
    my ($upstream, $response) = @_;
    my $fails = join ' ', map { $_->{fails} } @{counters($upstream)};
    my $bound = set($response) =~ /^route=([^;]*)/ ? "bound to $1" : 'no new cookie';
    return outcome($response) . ", fails $fails, $bound";
}

sub outcome {
    my ($response) = @_;
    my @tried = map { /^127\.0\.0\.1:(\d+)$/ ? $letter{$1} // $1 : m{^unix:} ? 'unix' : 'none' }
        split /, | : /, head('X-Tried', $response);
    return status($response) . " of @tried";
}

sub outcomes {
    my @asked = map { my ($upstream, $cookie, $plan, $how) = @$_;
                      ask_for($plan, $upstream, {%{$how // {}}, cookie => length $cookie ? "route=$cookie" : ''}) } @_;
    return map { outcome(response($_)) } @asked;
}

1;
