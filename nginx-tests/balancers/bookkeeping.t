# nginx's own accounting for its servers includes bound requests: connections, failures, tries, and what it keeps for later
# requests, connections and TLS sessions.
#
# A and B respond with their name, on 1985 and 1986, and over TLS on 1995 and 1996. The section "client" (lib/Client.pm) acts as
# the servers on 1991 and 1992; 1999 refuses connections.
# Sections of this file:
#   upstream  the contents of "upstream u"
#   config    locations that pass to it; by default /t/, which is also on port 1983 if there are several workers

use Sticky qw(Certificates);
use IO::Select;
use Time::HiRes 'sleep';

master_on();
worker_connections(256);

our $valgrind = $ENV{TEST_NGINX_USE_VALGRIND};

our $certificate = certificate();
our $backends = join '', map { my ($name, $port) = @$_; <<"_EOC_" } ['A', 1985], ['B', 1986];
    server {
        listen 127.0.0.1:$port;
        location / { return 200 "$name connection=\$connection\\n"; }
    }
    server {
        listen 127.0.0.1:@{[$port + 10]} ssl;
        ssl_certificate $certificate.pem;
        ssl_certificate_key $certificate.key;
        location / { return 200 "$name reused=[\$ssl_session_reused]\\n"; }
    }
_EOC_

my $variables = 'add_header X-Tried $upstream_addr always; add_header X-Worker $pid always;';
my $location = 'location /t/ { proxy_pass http://u/; }';

client_sections();
add_block_preprocessor(sub {
    my $block = shift;
    my $http = $backends . ($block->http_config // '');
    $http .= 'upstream u { ' . $block->upstream . " }\n" if defined $block->upstream;
    $http .= "server { listen 127.0.0.1:1983 reuseport; $variables $location }\n" if defined $block->workers;
    $block->set_value('http_config', $http);
    $block->set_value('config', $variables . ($block->config // $location));
});

# A server limited to one connection accepts no other request while it has a bound one, and accepts one after that.
sub one_at_a_time {
    my $server = serve(1991);
    my $mine = 'route=127.0.0.1:1991';

    my $first = ask('/t/', $mine);
    my $held = taken($server);
    holds($held, 'the first request reaches the server of its cookie');

    my $second = response(ask('/t/', $mine));
    equals(body($second) =~ s/ .*//sr, 'B', 'the second goes to another server: the first one is counted');
    equals(head('Set-Cookie', $second), 'route=127.0.0.1:1986; Path=/', 'and its session is bound to that');

    answer($held, 'done');
    my $finished = response($first);
    equals(body($finished), 'done', 'the first gets its response');
    equals(head('Set-Cookie', $finished), '', 'without a cookie');

    my $third = ask('/t/', $mine);
    $held = taken($server);
    holds($held, 'the third reaches the server: the first is no longer counted');
    answer($held, 'done') if $held;
    equals(body(response($third)), 'done', 'the third gets its response');
}

# The first connection to a server starts a TLS session, and later ones resume it, regardless of other servers' connections.
sub tls_sessions {
    my ($a, $b) = ('route=127.0.0.1:1995', 'route=127.0.0.1:1996');
    my @bodies = map { body(response(ask('/t/', $_))) } $a, $a, $b, $b, $a, $b;
    equals($bodies[0], "A reused=[.]\n", 'the first session with A is new');
    equals($bodies[1], "A reused=[r]\n", 'the second with A is resumed');
    equals($bodies[2], "B reused=[.]\n", 'the first with B is new');
    equals($bodies[3], "B reused=[r]\n", 'the second with B is resumed');
    equals($bodies[4], "A reused=[r]\n", 'A again is resumed');
    equals($bodies[5], "B reused=[r]\n", 'B again is resumed');

    my $visitor = response(ask('/t/'));
    holds(body($visitor) =~ /reused=\[r\]/, 'a request without a cookie resumes one as well');
}

run_tests();

__DATA__

=== max_conns with a zone: bound requests are counted while they run
--- upstream
zone z 64k;
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
one_at_a_time();



=== max_conns without a zone: bound requests are counted while they run
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
one_at_a_time();



=== max_conns of a backup server: bound requests are counted while they run
--- upstream
zone z 64k;
server 127.0.0.1:1986;
server 127.0.0.1:1991 max_conns=1 backup;
session_sticky hash=plain;
--- client
one_at_a_time();



=== max_conns with least_conn: bound requests are counted while they run
--- upstream
zone z 64k;
least_conn;
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
one_at_a_time();



=== max_conns: a request without a cookie counts for bound ones too
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
my $server = serve(1991);
my $visitor = ask('/t/');
my $held = taken($server);
holds($held, 'the request without a cookie is at the first server');
equals(head('X-Tried', response(ask('/t/', 'route=127.0.0.1:1991'))), '127.0.0.1:1986',
             'a bound request goes to the other server');
answer($held, 'done') if $held;
equals(head('Set-Cookie', response($visitor)), 'route=127.0.0.1:1991; Path=/',
             'the new session is bound');



=== max_conns, fallback=off: 502 while the bound server is full
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain fallback=off;
--- client
my $server = serve(1991);
my $first = ask('/t/', 'route=127.0.0.1:1991');
my $held = taken($server);
holds($held, 'the first request reaches its server');
my $second = response(ask('/t/', 'route=127.0.0.1:1991'));
equals(status($second), 502, 'the second request gets 502');
equals(head('Set-Cookie', $second), '', 'without a cookie');
answer($held, 'done') if $held;
equals(body(response($first)), 'done', 'the first gets its response');



=== max_conns: a request whose client disconnects is no longer counted
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
my $server = serve(1991);
my $first = ask('/t/', 'route=127.0.0.1:1991');
my $held = taken($server);
holds($held, 'the first request reaches its server');
close $first;
holds($held && IO::Select->new($held)->can_read(patience()), 'nginx closes the connection to the server when the client closes its own');
my $second = ask('/t/', 'route=127.0.0.1:1991');
$held = taken($server);
holds($held, 'the second request reaches that server');
answer($held, 'done') if $held;
equals(body(response($second)), 'done', 'and gets its response');



=== conns does not underflow: after many bound requests, all servers get new sessions
--- upstream
zone z 64k;
server 127.0.0.1:1985 max_conns=1;
server 127.0.0.1:1986 max_conns=1;
session_sticky hash=plain;
--- client
my $bound = grep { body(response(ask('/t/', 'route=127.0.0.1:1986'))) =~ /^B/ } 1 .. 20;
equals($bound, 20, 'each of 20 bound requests reaches its server');
my @visitors = map { response(ask('/t/')) } 1 .. 10;
equals(scalar(grep { status($_) == 200 } @visitors), 10, 'each of 10 requests without a cookie succeeds');
equals(scalar(grep { body($_) =~ /^A/ } @visitors), 5, 'half of them by A');



=== least_conn counts bound requests
--- upstream
zone z 64k;
least_conn;
server 127.0.0.1:1991;
server 127.0.0.1:1992;
session_sticky hash=plain;
--- client
my ($one, $two) = (serve(1991), serve(1992));
my @bound = map { ask('/t/', 'route=127.0.0.1:1991') } 1 .. 2;
my @held = map { taken($one) } @bound;
holds($held[0] && $held[1], 'two bound requests are at the first server');
for my $nth ('first', 'second') {
    my $visitor = ask('/t/');
    my $taken = taken($two);
    holds($taken, "the $nth request without a cookie goes to the server with fewer connections");
    push @held, $taken;
    push @bound, $visitor;
}
answer($_, 'done') for grep { $_ } @held;
equals(scalar(grep { body(response($_)) eq 'done' } @bound), 4, 'all get a response');



=== max_conns with a zone: the limit applies to all workers
--- workers: 2
--- upstream
zone z 64k;
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client
my $server = serve(1991);
my $mine = 'route=127.0.0.1:1991';
my $first = ask('/t/', $mine, 1983);
my $held = taken($server);
holds($held, 'the first request reaches its server');
my @others = map { response(ask('/t/', $mine, 1983)) } 1 .. 40;
my %workers = map { head('X-Worker', $_) => 1 } @others;
equals(scalar(keys %workers), 2, 'two workers have further requests');
equals(scalar(grep { head('X-Tried', $_) eq '127.0.0.1:1986' } @others), 40, 'and all of these go to the other server');
answer($held, 'done') if $held;
equals(body(response($first)), 'done', 'the first gets its response');



=== max_fails: failures of bound requests count, and then the failed server is not tried
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=2 fail_timeout=60s;
session_sticky hash=plain;
--- client
my @tried = map { head('X-Tried', response(ask('/t/', 'route=127.0.0.1:1999'))) } 1 .. 5;
equals("@tried[0, 1]", '127.0.0.1:1999, 127.0.0.1:1985 127.0.0.1:1999, 127.0.0.1:1985', 'two bound requests try it and fail');
equals("@tried[2 .. 4]", '127.0.0.1:1985 127.0.0.1:1985 127.0.0.1:1985', 'the next ones do not try it');
@tried = map { head('X-Tried', response(ask('/t/'))) } 1 .. 4;
equals("@tried", join(' ', ('127.0.0.1:1985') x 4), 'nor do requests without a cookie');



=== max_fails: the failure of a request without a cookie counts for bound ones
--- upstream
server 127.0.0.1:1999 max_fails=1 fail_timeout=60s;
server 127.0.0.1:1985;
session_sticky hash=plain;
--- client
equals(head('X-Tried', response(ask('/t/'))), '127.0.0.1:1999, 127.0.0.1:1985', 'a request without a cookie tries it and fails');
equals(head('X-Tried', response(ask('/t/', 'route=127.0.0.1:1999'))), '127.0.0.1:1985',
             'a bound request does not try it');



=== max_fails: a status that proxy_next_upstream passes on is a failure
--- config
location /t/ { proxy_pass http://u/; proxy_next_upstream http_503; }
--- http_config
server { listen 127.0.0.1:1991; return 503; }
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1991 max_fails=1 fail_timeout=60s;
session_sticky hash=plain;
--- client
my @responses = map { response(ask('/t/', 'route=127.0.0.1:1991')) } 1 .. 2;
equals(head('X-Tried', $responses[0]), '127.0.0.1:1991, 127.0.0.1:1985', 'another server is tried');
equals(head('Set-Cookie', $responses[0]), 'route=127.0.0.1:1985; Path=/', 'and the session is bound to it');
equals(head('X-Tried', $responses[1]), '127.0.0.1:1985', 'the failure counts');



=== max_fails, fallback=off: 502 in any case, but the failed server is not tried again
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=2 fail_timeout=60s;
session_sticky hash=plain fallback=off;
--- client
my @responses = map { response(ask('/t/', 'route=127.0.0.1:1999')) } 1 .. 4;
equals(join(' ', map { status($_) } @responses), '502 502 502 502', 'all get 502');
my @dialled = map { scalar(() = head('X-Tried', $_) =~ /127\.0\.0\.1:\d+/g) } @responses;
equals("@dialled", '1 1 0 0', 'two of them try it once each, the others try no server');



=== max_fails=0: the server is tried once for each of its requests
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=0;
session_sticky hash=plain;
--- client
my @tried = map { head('X-Tried', response(ask('/t/', 'route=127.0.0.1:1999'))) } 1 .. 4;
equals(join(' | ', @tried), join(' | ', ('127.0.0.1:1999, 127.0.0.1:1985') x 4), 'first its own server, then the other one');



=== the load-balancing method does not select the bound server again after it was tried
--- upstream
server 127.0.0.1:1999 max_fails=0;
server 127.0.0.1:1998 max_fails=0;
server 127.0.0.1:1985;
session_sticky hash=plain;
--- client
for (1 .. 6) {
    my $response = response(ask('/t/', 'route=127.0.0.1:1999'));
    my @tried = split /, /, head('X-Tried', $response);
    my %times;
    $times{$_}++ for @tried;
    equals($tried[0], '127.0.0.1:1999', 'the bound server first');
    equals($tried[-1], '127.0.0.1:1985', 'the available server last');
    holds(!(grep { $_ > 1 } values %times), "none twice: @tried");
}



=== fail_timeout: an available server gets its sessions again
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1991 max_fails=1 fail_timeout=2s;
session_sticky hash=plain;
--- client
my $mine = 'route=127.0.0.1:1991';
equals(head('X-Tried', response(ask('/t/', $mine))), '127.0.0.1:1991, 127.0.0.1:1985', 'the server fails');
my $server = serve(1991);
sleep(3.2);
my $asked = ask('/t/', $mine);
my $taken = taken($server);
holds($taken, 'after fail_timeout it is tried again');
equals(head('X-Tried', response(ask('/t/', $mine))), '127.0.0.1:1985',
             'by one request: others go to the other server until its response');
answer($taken, 'back') if $taken;
my $response = response($asked);
equals(body($response), 'back', 'and responds');
equals(head('Set-Cookie', $response), '', 'without a new cookie');
my @asked = map { ask('/t/', $mine) } 1 .. 3;
my @taken = map { taken($server) } @asked;
equals(scalar(grep { $_ } @taken), 3, 'its failures no longer count');
answer($_, 'back') for grep { $_ } @taken;
equals(body(response($_)), 'back', 'and it responds to all') for @asked;



=== max_fails with a zone: failures apply to all requests of all workers
--- workers: 2
--- upstream
zone z 64k;
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=3 fail_timeout=60s;
session_sticky hash=plain;
--- client
my @bound = map { response(ask('/t/', 'route=127.0.0.1:1999', 1983)) } 1 .. 40;
my %workers = map { head('X-Worker', $_) => 1 } @bound;
equals(scalar(keys %workers), 2, 'two workers have bound requests');
equals(scalar(grep { head('X-Tried', $_) =~ /1999/ } @bound), 3, 'three of them in total try the failed server');
my @visitors = map { response(ask('/t/', undef, 1983)) } 1 .. 40;
%workers = map { head('X-Worker', $_) => 1 } @visitors;
equals(scalar(keys %workers), 2, 'two workers have requests without a cookie');
equals(scalar(grep { head('X-Tried', $_) =~ /1999/ } @visitors), 0, 'none of them tries it');



=== proxy_next_upstream off: 502 if the bound server fails
--- config
location /t/ { proxy_pass http://u/; proxy_next_upstream off; }
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999;
session_sticky hash=plain;
--- request
GET /t/
--- more_headers
Cookie: route=127.0.0.1:1999
--- error_code: 502
--- response_headers
X-Tried: 127.0.0.1:1999
!Set-Cookie



=== proxy_next_upstream_tries counts the bound server
--- config
location /t/ { proxy_pass http://u/; proxy_next_upstream_tries 2; }
--- upstream
server 127.0.0.1:1999 max_fails=0;
server 127.0.0.1:1998 max_fails=0;
server 127.0.0.1:1985;
session_sticky hash=plain;
--- request
GET /t/
--- more_headers
Cookie: route=127.0.0.1:1998
--- error_code: 502
--- response_headers
X-Tried: 127.0.0.1:1998, 127.0.0.1:1999
!Set-Cookie



=== 70 servers, more than the bits of a word: each is found by its cookie
--- http_config
server { listen 1993; location / { return 200 "$server_addr\n"; } }
--- upstream eval
CORE::join('', map { "server 127.0.1.$_:1993;\n" } 1 .. 70) . "session_sticky hash=plain;"
--- client
my @wrong = grep { body(response(ask('/t/', "route=127.0.1.$_:1993"))) ne "127.0.1.$_\n" } 1 .. 70;
equals("@wrong", '', 'none is mistaken for another');



=== 70 servers: the last one fails, another one takes over, and none is tried twice
--- http_config
server { listen 1993; location / { return 200 "$server_addr\n"; } }
--- upstream eval
CORE::join('', map { "server 127.0.1.$_:1993;\n" } 1 .. 69) . "server 127.0.0.1:1999 max_fails=0;\nsession_sticky hash=plain;"
--- client
my @tried = map { head('X-Tried', response(ask('/t/', 'route=127.0.0.1:1999'))) } 1 .. 80;
equals(scalar(grep { /^127\.0\.0\.1:1999, 127\.0\.1\.\d+:1993$/ } @tried), 80, 'first its own server, then another one');



=== keepalive: connections to the bound server are reused
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky hash=plain;
keepalive 8;
--- client
my (@of_a, @of_b);
for (1 .. 3) {
    push @of_b, body(response(ask('/t/', 'route=127.0.0.1:1986')));
    push @of_a, body(response(ask('/t/', 'route=127.0.0.1:1985')));
}
holds($of_a[0] =~ /^A connection=\d+$/, 'A responds to its request');
holds($of_b[0] =~ /^B connection=\d+$/, 'B responds to its request');
equals(join('', @of_a), $of_a[0] x 3, 'A over one connection');
equals(join('', @of_b), $of_b[0] x 3, 'B over one connection');



=== keepalive: the connection of a request without a cookie is reused for bound ones
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- upstream
zone z 64k;
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky hash=plain;
keepalive 8;
--- client
my $visitor = body(response(ask('/t/')));
holds($visitor =~ /^A connection=\d+$/, 'A responds to the request without a cookie');
my $bound = body(response(ask('/t/', 'route=127.0.0.1:1985')));
equals($bound, $visitor, 'and to a bound one over the same connection');



=== keepalive with max_conns: idle connections are not counted
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- upstream
zone z 64k;
server 127.0.0.1:1985 max_conns=1;
server 127.0.0.1:1986 max_conns=1;
session_sticky hash=plain fallback=off;
keepalive 8;
--- client
my @bound = map { body(response(ask('/t/', 'route=127.0.0.1:1986'))) } 1 .. 20;
holds($bound[0] =~ /^B connection=\d+$/, 'B responds');
equals(join('', @bound), $bound[0] x 20, 'all 20 bound requests use one connection');
my $served = grep { status(response(ask('/t/'))) == 200 } 1 .. 10;
equals($served, 10, 'requests without a cookie succeed');



=== keepalive: an idle connection that the server closed is not a failure
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- upstream
server 127.0.0.1:1991 max_fails=1 fail_timeout=60s;
server 127.0.0.1:1986;
session_sticky hash=plain;
keepalive 8;
--- client
my $server = serve(1991);
for my $nth ('first', 'second', 'third') {
    my $asked = ask('/t/', 'route=127.0.0.1:1991');
    my $taken = taken($server);
    holds($taken, "the $nth request reaches its server") or last;
    print $taken "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine";
    equals(body(response($asked)), 'mine', "the $nth gets its response");
    close $taken;
    sleep(0.1);
}



=== TLS: the session with each server is reused for bound requests
--- config
location /t/ { proxy_pass https://u/; proxy_set_header Connection close; }
--- upstream
server 127.0.0.1:1995;
server 127.0.0.1:1996;
session_sticky hash=plain;
--- client
tls_sessions();
--- skip_eval: 10: $main::valgrind # nginx itself never frees the last TLS session of a server outside a zone



=== TLS with a zone: the session with each server is reused for bound requests
--- config
location /t/ { proxy_pass https://u/; proxy_set_header Connection close; proxy_ssl_session_reuse on; }
--- upstream
zone z 128k;
server 127.0.0.1:1995;
server 127.0.0.1:1996;
session_sticky hash=plain;
--- client
tls_sessions();



=== TLS over least_conn: the session with each server is reused for bound requests
--- config
location /t/ { proxy_pass https://u/; proxy_set_header Connection close; }
--- upstream
least_conn;
server 127.0.0.1:1995;
server 127.0.0.1:1996;
session_sticky hash=plain;
--- client
tls_sessions();
--- skip_eval: 10: $main::valgrind # nginx itself never frees the last TLS session of a server outside a zone



=== TLS: proxy_ssl_session_reuse off is off
--- config
location /t/ { proxy_pass https://u/; proxy_set_header Connection close; proxy_ssl_session_reuse off; }
--- upstream
server 127.0.0.1:1995;
server 127.0.0.1:1996;
session_sticky hash=plain;
--- client
my @b = map { body(response(ask('/t/', 'route=127.0.0.1:1996'))) } 1 .. 3;
equals(join('', @b), "B reused=[.]\n" x 3, 'every session is new');
