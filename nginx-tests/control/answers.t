# session_sticky_control: the responses to PATCH requests, and their effects. Each response is JSON, with the header fields of all
# responses of session_sticky_status.

# Server states survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Upstreams Visits Running Control);

client_sections();
upstream_sections('');
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(locations => $control . ($block->locations // ''));
    $block->set_value(upstreams => "upstream u { server A:; server B:; server C:; session_sticky; }\n")
        if !defined $block->upstreams;
});

# Tests that a request is rejected with this status, and with these words in the message.
sub refused ($$$) {
    my ($response, $status, $words) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    equals(status($response), $status, "$words: $status");
    holds(body($response) =~ /^\{"error":".*$words.*"\}\n\z/, "$words: in JSON") or print '# ', body($response), "\n";
    equals(head('Content-Type', $response), 'application/json', "$words: as JSON");
    equals(head('Cache-Control', $response), 'no-store', "$words: not to be cached");
    equals(head('X-Content-Type-Options', $response), 'nosniff', "$words: no content sniffing");
}

run_tests();

__DATA__

=== a change is applied, and reported
--- client
my $response = patch('u', 'A', '{"state":"drain"}');
equals(status($response), '200', 'drained');
equals(head('Content-Type', $response), 'application/json', 'JSON');
my $said = JSON::PP::decode_json(body($response));
equals(scalar(@{$said->{upstreams}}), 1, 'one upstream');
equals(scalar(@{$said->{upstreams}[0]{servers}}), 1, 'one server');
my $server = $said->{upstreams}[0]{servers}[0];
equals($server->{address}, '127.0.0.1:1985', 'the requested server');
equals($server->{state}, 'draining', 'it is draining');
equals($server->{configured}, 'up', 'not by the configuration');
equals($server->{control}{state}, 'drain', 'but by control');
holds(!defined $server->{control}{until}, 'without an end time');

for my $case (['{"state":"down"}', 'down', 'down'], ['{"drain":true}', 'draining', 'drain'], [' { "drain" : false } ', 'up', ''],
              ['{"state":"down","for":"30m"}', 'down', 'down'], ['{"for":"90","state":"drain"}', 'draining', 'drain'],
              ['{"state":"up"}', 'up', '']) {
    my ($body, $state, $control) = @$case;
    equals(status(patch('u', 'A', $body)), '200', "$body is accepted");
    my $server = shown('u', 'A');
    equals($server->{state}, $state, "$body: it is $state");
    equals($server->{control} ? $server->{control}{state} : '', $control, "$body: control state '$control'");
}
my $before = time;
patch('u', 'A', '{"state":"down","for":"30m"}');
my $until = shown('u', 'A')->{control}{until};
holds($until >= $before + 1800 && $until <= time + 1800, 'it ends in half an hour');



=== a server is identified by its address or by its ID
--- upstreams
upstream u { server A: id=one; server B: id=two; server C: id=two; session_sticky hash=plain; }
--- client
now('u', 'one', 'drain');
equals(shown('u', 'A')->{state}, 'draining', 'A by its ID');
now('u', 'two', 'drain');
equals(shown('u', $_)->{state}, 'draining', "$_, which shares an ID") for qw(B C);
now('u', 'B', 'up');
equals(shown('u', 'B')->{state}, 'up', 'B by its address');
equals(shown('u', 'C')->{state}, 'draining', 'and no other one with that ID');
equals(bodies(everywhere('/u/', 'route=two')), 'B', 'of servers with the same ID, a draining one is used last');



=== unknown names are 404
--- upstreams
upstream u { server A:; session_sticky; }
upstream plain { server A:; }
--- client
refused(patch('u', 'B', '{"drain":true}'), '404', 'no such server');
refused(patch('nobody', 'A', '{"drain":true}'), '404', 'no such sticky upstream');
refused(patch('plain', 'A', '{"drain":true}'), '404', 'no such sticky upstream');
refused(patch('u', 'A/x', '{"drain":true}'), '404', 'no such');
equals(status(patch('u', '%', '{"drain":true}')), '400', 'nginx rejects a single percent sign');



=== other methods are 405, with the allowed methods
--- client
for my $method (qw(POST PUT DELETE OPTIONS)) {
    my $response = patch('u', 'A', '{"drain":true}', method => $method);
    refused($response, '405', 'does not support this method');
    equals(head('Allow', $response), 'GET, HEAD, PATCH', "$method: Allow");
}
for my $method (qw(GET HEAD)) {
    equals(status(patch('u', 'A', '{"drain":true}', method => $method)), '200', "$method reports the state");
}
equals(shown('u', 'A')->{state}, 'up', 'none of them has an effect');



=== without "on", a PATCH is 405, even if another location has it
--- locations
location /off/status { session_sticky_status; session_sticky_control off; }
location /without/status { session_sticky_status; }
--- client
for my $location (qw(/off /without)) {
    my $response = response(say_to_nginx("PATCH $location/status/upstreams/u/servers/127.0.0.1:1985 HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"drain\":true}", 1983));
    refused($response, '405', 'does not support this method');
    equals(head('Allow', $response), 'GET, HEAD', "$location: Allow");
}
equals(shown('u', 'A')->{state}, 'up', 'nothing has changed');



=== invalid bodies are 400
--- client
for my $body ('', ' ', '{}', 'null', '[]', '{"drain":1}', '{"drain":"true"}', '{"drain":true,"drain":true}', '{"state":"draining"}',
              '{"state":"up","for":"30m"}', '{"state":"down","for":30}', '{"state":"down","for":""}', '{"state":"down","for":"0"}',
              '{"state":"down","for":"-1"}', '{"state":"down","for":"soon"}', '{"state":"down","for":"99999999999999999999"}',
              '{"state":"down","for":"9223372036854775807"}', '{"state":"down","weight":1}', '{"drain":true}{"drain":true}',
              "{\"drain\":true}\0", "\xef\xbb\xbf{\"drain\":true}", '{"st\u0061te":"down"}') {
    refused(patch('u', 'A', $body), '400', 'the body must be');
}
equals(shown('u', 'A')->{state}, 'up', 'nothing has changed');
equals(shown('u', 'A')->{control} // 'nothing', 'nothing', 'no state was set');



=== a body of more than 1,024 bytes is 413, one of 1,024 is accepted
--- client
my $body = sub { my ($length) = @_; return '{"drain":true}' . ' ' x ($length - 14) };
refused(patch('u', 'A', $body->(1025)), '413', 'too long');
refused(patch('u', 'A', $body->(100_000)), '413', 'too long');
refused(patch('u', 'A', '', 'Content-Length' => 999_999), '413', 'too long');
equals(shown('u', 'A')->{state}, 'up', 'nothing has changed');
equals(status(patch('u', 'A', $body->(1024))), '200', '1,024 bytes');
equals(shown('u', 'A')->{state}, 'draining', 'are accepted');



=== any type except JSON is 415
--- client
for my $type (undef, '', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/json-patch+json',
              'text/plain; application/json') {
    refused(patch('u', 'A', '{"drain":true}', 'Content-Type' => $type), '415', 'must be application/json');
}
equals(shown('u', 'A')->{state}, 'up', 'nothing has changed');
for my $type ('application/json', 'Application/JSON; charset=utf-8') {
    equals(status(patch('u', 'A', '{"drain":true}', 'Content-Type' => $type)), '200', $type);
}



=== states of the configuration cannot be lifted: 409
--- upstreams
upstream u { server A: down; server B: drain; server C:; session_sticky; }
--- client
refused(patch('u', 'A', $_), '409', 'in the configuration') for '{"state":"up"}', '{"drain":false}', '{"state":"drain"}', '{"drain":true}';
refused(patch('u', 'B', $_), '409', 'in the configuration') for '{"state":"up"}', '{"drain":false}';
equals(shown('u', 'A')->{configured}, 'down', 'A is down');
equals(shown('u', 'B')->{configured}, 'drain', 'B drains');
now('u', 'A', 'down');
now('u', 'B', 'down');
equals(shown('u', 'B')->{state}, 'down', 'a server that drains can be taken down');
equals(shown('u', 'B')->{configured}, 'drain', 'while "drain" remains configured');
now('u', 'B', 'drain');
equals(shown('u', 'B')->{state}, 'draining', 'and set to drain again');
equals(bodies(everywhere('/u/', "route=$id{B}")), 'B', 'it keeps its sessions');
equals(bodies(everywhere('/u/')), 'C', 'and gets no new ones');
now('u', 'A', 'up');
now('u', 'B', 'up');
equals(shown('u', $_)->{control}, undef, "the state set for $_ is reverted") for qw(A B);
equals(shown('u', 'A')->{state}, 'down', 'A is down');
equals(shown('u', 'B')->{state}, 'draining', 'B drains');
refused(patch('u', $_, '{"state":"up"}'), '409', 'in the configuration') for qw(A B);



=== several servers with the same ID: if one cannot be lifted, none is changed
--- upstreams
upstream u { server A: id=one down; server B: id=one; session_sticky hash=plain; }
--- client
refused(patch('u', 'one', '{"drain":true}'), '409', 'in the configuration');
equals(shown('u', 'B')->{state}, 'up', 'B is up');



=== a full table is 507
--- upstreams eval
CORE::join '', "upstream u { session_sticky hash=plain; server 127.0.0.1:1985 id=last; server 127.0.0.1:1986 id=first;\n",
    (map { "server 127.1." . int($_ / 250) . "." . ($_ % 250 + 1) . ":80 id=many;\n" } 0 .. 1022), "}\n"
--- client
now('u', 'many', 'drain');
now('u', 'first', 'drain');
refused(patch('u', 'last', '{"drain":true}'), '507', 'no room');
equals(shown('u', 'last')->{state}, 'up', 'nothing has changed');
now('u', 'first', 'up');
now('u', 'last', 'drain');
now('u', 'many', 'up');
now('u', 'first', 'down');
equals(bodies(everywhere('/u/', 'route=last')), 'A', 'its session stays');



=== each change is logged once, with the client, the user and the server
--- client
patch('u', 'A', '{"state":"drain","for":"30m"}', Authorization => 'Basic YWRtaW46c2VjcmV0');
patch('u', 'A', '{"state":"up"}');
patch('u', 'A', '{"state":"up"}');
my @lines = log_lines(qr/\[notice\].*session_sticky: server/);
equals(scalar(@lines), 2, 'two lines: a repeated change is logged once');
holds($lines[0] =~ /session_sticky: server 127\.0\.0\.1:1985 of upstream "u" is draining for 30m, by user "admin".*client: 127\.0\.0\.1/,
    'the user, the server and the time') or print "# $lines[0]";
holds($lines[1] =~ /server 127\.0\.0\.1:1985 of upstream "u" is up, by user ""/, 'and the reverse change') or print "# $lines[1]";
