# Strict sessions: the client gets its server's response, and nginx's own error page only if the server sends none. No
# server with another ID is asked, whatever "proxy_next_upstream" allows, and the counters are those of nginx.
#
# The expected result is nginx's own behavior if it may not ask another server: the twin without session_sticky has only
# the servers with the ID, or one attempt. See Twins.pm for the format, Failures.pm for the failures.
#
# Sections of this file's own:
#   cases   which of %cases
#   sticky  the parameter or directive that makes the sessions strict
#   zone    the name of a zone

use Sticky qw(Failures Twins);

worker_connections(4096);

our $servers = failing_servers(1985, 1986, 1987);

my $any = 'proxy_next_upstream ' . join(' ', grep { $_ ne 'off' } @conditions) . ';';
my $idempotent = $any =~ s/ non_idempotent//r;
my $large = 'x' x 300_000;

# The session's server fails; another server would succeed.
sub one {
    my ($failure, $name, $location, $request) = @_;
    my $port = $failing_port{$failure} // 1985;
    return {
        name => "$name, $failure",
        servers => "server 127.0.0.1:$port; server 127.0.0.1:1986;",
        location => $location,
        plain => {location => ($location =~ s/proxy_next_upstream_tries \d;//r) . ' proxy_next_upstream_tries 1;'},
        request => [{plan => exists $failing_port{$failure} ? 'ok ok' : "$failure ok", %{$request // {}}}],
        wants => status_of($failure) . " of $port, fails " . (is_failure($failure) ? 1 : 0) . ' 0, no new cookie',
    };
}

# Two servers have the ID, C has another.
my %line = map { $_ => "server 127.0.0.1:$port{$_}" } qw(A B C);
sub group {
    my ($name, $servers, $request, $wants, $location) = @_;
    $servers =~ s/\b([ABC]):/$line{$1}/g;
    return {
        name => $name,
        servers => ($servers =~ s/server [\d.:]+/$& id=x/gr) . " server 127.0.0.1:1988 id=other;",
        plain => {servers => $servers},
        cookie => 'x',
        location => $location // $any,
        request => $request,
        wants => $wants,
    };
}

my $two = 'A:; B:;';
my $three = 'A:; B:; C:;';
my $none = 'no new cookie';

# nginx's own treatment of an error response.
sub page {
    my ($name, $location, $request) = @_;
    my $its = 'server 127.0.0.1:1985 max_fails=9; server 127.0.0.1:1986';
    return {name => $name, location => "$any $location", servers => "$its;", plain => {servers => "$its down;"},
            cookie => '127.0.0.1:1985', request => $request};
}

our %cases = (
    each => [map { my $condition = $_; map { one($_, "proxy_next_upstream $condition", "proxy_next_upstream $condition;") } @failures }
             @conditions],
    any => [map {
        my $failure = $_;
        (one($failure, 'GET', $any),
         one($failure, 'GET, unbuffered', "$any proxy_buffering off;"),
         one($failure, 'HEAD', $any, {method => 'HEAD'}),
         one($failure, 'POST', $any, {method => 'POST'}),
         one($failure, 'POST, that may not be repeated', $idempotent, {method => 'POST'}),
         one($failure, 'PUT with a large body', $any, {method => 'PUT', body => $large}),
         one($failure, 'POST with a large body', $any, {method => 'POST', body => $large}),
         one($failure, 'POST with a large body, unbuffered', "$any proxy_request_buffering off;", {method => 'POST', body => $large}),
         one($failure, 'proxy_next_upstream_tries 3', "$any proxy_next_upstream_tries 3;"),
         one($failure, 'proxy_next_upstream_timeout 1h', "$any proxy_next_upstream_timeout 1h;"))
    } @failures],
    groups => [
        group('the first of two says 503', $two, ['503 ok'], "200 of 1985 1986, fails 1 0 0, $none"),
        group('the first of two says 404', $two, ['404 ok'], "200 of 1985 1986, fails 0 0 0, $none"),
        group('both say 503', $two, ['503 503 ok', 'ok'], "200 of 1986, fails 1 0 0, $none"),
        group('both say 404', $two, ['404 404 ok'], "404 of 1985 1986, fails 0 0 0, $none"),
        group('both say 429', $two, ['429 429 ok'], "429 of 1985 1986, fails 1 0 0, $none"),
        group('one says 503, one 500', $two, ['503 500 ok'], "500 of 1985 1986, fails 1 0 0, $none"),
        group('one says 503, one nothing', $two, ['503 hang ok'], "504 of 1985 1986, fails 1 1 0, $none"),
        group('one says 503, one resets', $two, ['503 reset ok'], "502 of 1985 1986, fails 1 1 0, $none"),
        group('one resets, one says 503', $two, ['reset 503 ok'], "503 of 1985 1986, fails 1 0 0, $none"),
        group('both are late', $two, ['hang hang ok'], "504 of 1985 1986, fails 1 1 0, $none"),
        group('both reset', $two, ['reset reset ok'], "502 of 1985 1986, fails 1 1 0, $none"),
        group('one refuses, one says 503', 'server 127.0.0.1:1999; B:;', ['503 ok'], "503 of 1999 1986, fails 1 0 0, $none"),
        group('one is down, one says 503', 'A: down; B:;', ['503 ok', '404 ok', 'ok'], "200 of 1986, fails 0 0 0, $none"),
        group('one is down, one is late', 'A: down; B:;', ['hang ok'], "504 of 1986, fails 0 1 0, $none"),
        group('all three say 503', $three, ['503 503 503 ok'], "503 of 1985 1986 1987, fails 1 1 0 0, $none"),
        group('the last of three answers', $three, ['503 404 ok'], "200 of 1985 1986 1987, fails 1 0 0 0, $none"),
        group('two of three, one of them down', 'A:; B: down; C:;', ['503 503 ok'], "503 of 1985 1987, fails 1 0 0 0, $none"),
        group('proxy_next_upstream names it not', $two, ['503 ok'], "503 of 1985, fails 0 0 0, $none", 'proxy_next_upstream error timeout;'),
        group('POST, that may not be repeated', $two, [{plan => '503 ok', method => 'POST'}], "503 of 1985, fails 0 0 0, $none", $idempotent),
        group('POST, that may be repeated', $two, [{plan => '503 ok', method => 'POST'}], "200 of 1985 1986, fails 1 0 0, $none"),
        group('POST, and one refuses', 'server 127.0.0.1:1999; B:;', [{plan => '503 ok', method => 'POST'}],
              "503 of 1999 1986, fails 1 0 0, $none", $idempotent),
        group('proxy_next_upstream_tries 1', $two, ['503 ok'], "503 of 1985, fails 0 0 0, $none", "$any proxy_next_upstream_tries 1;"),
        group('proxy_next_upstream_tries 1, and it is late', $two, ['hang ok'], "504 of 1985, fails 1 0 0, $none", "$any proxy_next_upstream_tries 1;"),
        group('proxy_next_upstream_tries 2', $three, ['503 503 ok'], "503 of 1985 1986, fails 1 0 0 0, $none", "$any proxy_next_upstream_tries 2;"),
        group('proxy_next_upstream_tries 2, and it answers', $three, ['reset ok'], "200 of 1985 1986, fails 1 0 0 0, $none",
              "$any proxy_next_upstream_tries 2;"),
        group('proxy_next_upstream_tries 9', $two, ['503 503 ok'], "503 of 1985 1986, fails 1 0 0, $none", "$any proxy_next_upstream_tries 9;"),
        group('proxy_next_upstream_timeout is over', $two, ['hang ok'], "504 of 1985, fails 1 0 0, $none", "$any proxy_next_upstream_timeout 10ms;"),
        group('proxy_next_upstream_timeout is not over', $two, ['503 503 ok'], "503 of 1985 1986, fails 1 0 0, $none",
              "$any proxy_next_upstream_timeout 1h;"),
        group('a backup answers', 'A:; B: backup;', ['503 ok'], "200 of 1985 1986, fails 1 0 0, $none"),
        group('a backup says 503 as well', 'A:; B: backup;', ['503 503 ok'], "503 of 1985 1986, fails 1 0 0, $none"),
        group('two backups, one try less', 'A:; B: backup; C: backup;', ['503 503 ok'], "503 of 1985 1986, fails 1 0 0 0, $none",
              "$any proxy_next_upstream_tries 2;"),
        group('two backups, and all say 503', 'A:; B: backup; C: backup;', ['503 503 503 ok'], "503 of 1985 1986 1987, fails 1 0 1 0, $none"),
    ],
    pages => [
        page('proxy_intercept_errors', 'proxy_intercept_errors on; error_page 503 404 =200 /elsewhere;', ['503 ok', '404 ok', '429 ok', 'ok']),
        page('proxy_intercept_errors that leads to the same upstream', 'proxy_intercept_errors on; error_page 503 = /NAME/again;',
             ['503 ok', '503 404 ok', 'ok']),
        page('error_page', 'error_page 502 504 =200 /elsewhere;', ['reset ok', 'hang ok', '502 ok', '504 ok']),
        page('error_page that leads to the same upstream', 'error_page 502 = /NAME/again;', ['reset ok', 'reset 503 ok']),
        page('X-Accel-Redirect to the same upstream', '', ['accel:/NAME/again 503 ok', 'accel:/NAME/again reset ok']),
        page('the cache has it', 'proxy_cache c; proxy_cache_key $uri;', ['503 cache', 'cache', '503']),
        page('the cache has to do', 'proxy_cache c; proxy_cache_key $uri; proxy_cache_use_stale error timeout http_503;
              proxy_ignore_headers Cache-Control; proxy_cache_valid 200 1s;',
             ['cache', {plan => '503 ok', later => 1}, 'reset ok']),
        page('the cache takes errors', 'proxy_cache c; proxy_cache_key $uri; proxy_cache_valid 503 1m;', ['503 ok', '404 ok']),
    ],
);

my $more = <<"_EOC_";
location = /NAME/again { $any proxy_pass http://NAME; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my ($cases, $sticky, $zone) = map { ($_ // '') =~ s/\s+\z//r } $block->cases, $block->sticky, $block->zone;
    my @these = map { +{%$_, sticky => $sticky} } @{$cases{$cases}};
    my $cached = 'cached_' . ($zone || 'without');
    $block->set_value(config => 'location = /peers { upstream_peers; }');
    fill($block, "proxy_cache_path ${cached}_cache keys_zone=$cached:1m;\n"
                 . twins($zone, $more, @these) =~ s/proxy_cache c;/proxy_cache $cached;/gr
                                               =~ s{(listen .*1980.*\n)}{$1client_max_body_size 1m;\nlocation = /elsewhere { return 200 elsewhere; }\n}r);
    $block->set_value(client => sub { compare($servers, @these) });
});

run_tests();

__DATA__

=== each condition and each failure, without a zone
--- cases: each
--- sticky: fallback=off



=== any condition and each failure, by each method, with a zone
--- cases: any
--- sticky: fallback=off
--- zone: any



=== any condition and each failure, fallback=unknown, without a zone
--- cases: any
--- sticky: fallback=unknown



=== several servers with one ID, without a zone
--- cases: groups
--- sticky: fallback=off



=== several servers with one ID, with a zone, fallback=unknown
--- cases: groups
--- sticky: fallback=unknown
--- zone: groups



=== nginx's treatment of an error response, without a zone
--- cases: pages
--- sticky: fallback=off



=== nginx's treatment of an error response, with a zone
--- cases: pages
--- sticky: fallback=off
--- zone: pages
