# The variables of a session before its server is selected, and after that.
#
# early_sections() gives blocks these sections, in addition to those of lib/Client.pm:
#   upstreams  upstream blocks, in which A: is the address of A. A, B and C respond with their name; D, E and F are down. On
#              port 1983, /NAME/ is passed to upstream NAME
#   locations  inserted into the server on port 1983
# The request to the server has the verdict and the previous server in X-Verdict and X-Previous, and its response returns them
# in X-Saw. X-Final has the values at the end of the request.
#
#   says(PATH, COOKIE, WANTED)  a test: WANTED is "VERDICT PREVIOUS", or two of these with " => " between them if they
#                               differ; servers are letters, and an empty value is -
#   said(RESPONSE)              that text of a response

package EarlyWords;

use strict;
use warnings;

use Client;
use Exporter 'import';
use Servers;
use Test::Nginx::Socket ();
use Upstreams;

our @EXPORT = qw(early_sections says said);

my $tells = <<'_EOC_';
proxy_set_header X-Verdict $session_sticky_verdict;
proxy_set_header X-Previous $session_sticky_previous;
_EOC_

my $server = <<'_EOC_';
add_header X-Saw "$http_x_verdict/$http_x_previous" always;
add_header X-Cookie "$http_cookie" always;
location / { return 200 "NAME"; }
location /fails { return 503; }
location /to-other { add_header X-Accel-Redirect /other/; add_header X-Saw "$http_x_verdict/$http_x_previous"; return 200; }
location /to-file { add_header X-Accel-Redirect /file; add_header X-Saw "$http_x_verdict/$http_x_previous"; return 200; }
_EOC_

sub early_sections {
    client_sections();
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        my $final = 'add_header X-Final "$session_sticky_verdict/$session_sticky_previous" always; location = /file { return 200 "file"; }';
        my $upstreams = addressed($block->upstreams // '');
        my $entrance = entrance($upstreams, $tells . $final . ($block->locations // ''));
        $block->set_value(http_config => servers($server, qw(A B C)) . $entrance);
        $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
    });
}

sub named {
    my ($text) = @_;
    my ($verdict, $server) = split m{/}, $text, 2;
    my %letter = reverse %line;
    $server //= '';
    return ($verdict || '-') . ' ' . ($letter{$server} // ($server eq '' ? '-' : $server));
}

sub said {
    my ($response) = @_;
    my ($early, $final) = (named(head('X-Saw', $response)), named(head('X-Final', $response)));
    return $early eq $final ? $early : "$early => $final";
}

sub says {
    my ($path, $cookie, $wanted) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $shown = $cookie // '-';
    $shown =~ s/\Q$id{$_}\E/$_/g for sort keys %id;
    return equals(said(visit($path, $cookie, 1983)), $wanted, "$path $shown");
}

1;
