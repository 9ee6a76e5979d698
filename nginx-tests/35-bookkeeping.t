# nginx's own bookkeeping of its servers holds for bound requests: connections, failures, tries, and
# what is kept for the next request, connections and TLS sessions.
#
# Most blocks need several requests at once, or servers that wait. There "client" is a sub that talks
# to nginx, and plays a server, itself:
#   ask(PATH, COOKIE)   sends a request and returns its connection
#   response(ASKED)     the response to it, whole
#   serve(PORT)         listens as a server
#   taken(SERVER)       the request that nginx sent it next, undef if none comes within a second or so
#   answer(TAKEN, TEXT) lets that server answer
# 127.0.0.1:1999 refuses connections.

use Test::Nginx::Socket 'no_plan';

use File::Temp 'tempdir';
use IO::Select;
use IO::Socket::INET;
use Time::HiRes 'sleep';

repeat_each(1);
no_shuffle();
no_long_string();
no_root_location();
master_on();
worker_connections(256);

our $valgrind = $ENV{TEST_NGINX_USE_VALGRIND};
our $patience = $valgrind ? 15 : 5;

our $certificate = tempdir(CLEANUP => 1);
system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2"
       . " -keyout $certificate/key.pem -out $certificate/cert.pem 2>/dev/null") == 0
    or bail_out("openssl cannot make a certificate");

our $backends = join '', map { my ($name, $port) = @$_; <<"_EOC_" } ['A', 1985], ['B', 1986];
    server {
        listen 127.0.0.1:$port;
        location / { return 200 "$name connection=\$connection\\n"; }
        location /503 { return 503 "$name is busy\\n"; }
    }
    server {
        listen 127.0.0.1:@{[$port + 10]} ssl;
        ssl_certificate $certificate/cert.pem;
        ssl_certificate_key $certificate/key.pem;
        location / { return 200 "$name reused=[\$ssl_session_reused]\\n"; }
    }
_EOC_

add_block_preprocessor(sub {
    my $block = shift;
    workers($block->workers // 1);
    my $http = $backends . ($block->http_config // '');
    $http .= 'upstream u { ' . $block->upstream . " }\n" if defined $block->upstream;
    $block->set_value('http_config', $http);
    $block->set_value('config', ($block->config // 'location /t/ { proxy_pass http://u/; }') . <<'_EOC_');
        location = /idle { return 200 "idle\n"; }
        add_header X-Tried $upstream_addr always;
        add_header X-Worker $pid always;
_EOC_
    $block->set_value('request', 'GET /idle') if !defined $block->request;
    $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
});

add_response_body_check(sub {
    my ($block, $body, $index, $repeated, $dry_run) = @_;
    return if $dry_run || !$block->client;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    our $name = $block->name;
    $block->client->();
});

sub connected {
    my ($port) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => $patience);
}

sub ask {
    my ($path, $cookie, $port) = @_;
    my $socket = connected($port // server_port()) or return;
    $socket->autoflush(1);
    print $socket "GET $path HTTP/1.0\r\nHost: localhost\r\n" . (defined $cookie ? "Cookie: $cookie\r\n" : '') . "\r\n";
    return $socket;
}

sub read_until {
    my ($socket, $end) = @_;
    my $text = '';
    while ($text !~ $end && IO::Select->new($socket)->can_read($patience)) {
        sysread($socket, $text, 65536, length $text) or last;
    }
    return $text;
}

sub response {
    my ($socket) = @_;
    return $socket ? read_until($socket, qr/(?!)/) : '';
}

sub serve {
    my ($port) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1)
        || bail_out("cannot listen on 127.0.0.1:$port: $!");
}

sub taken {
    my ($server, $seconds) = @_;
    IO::Select->new($server)->can_read($seconds // $patience) or return;
    my $connection = $server->accept or return;
    $connection->autoflush(1);
    read_until($connection, qr/\r\n\r\n/);
    return $connection;
}

sub answer {
    my ($connection, $text) = @_;
    print $connection "HTTP/1.0 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
    close $connection;
}

sub head { my ($name, $response) = @_; return $response =~ /^\Q$name\E: (.*?)\r$/mi ? $1 : '' }
sub body { my ($response) = @_; return $response =~ /\r\n\r\n(.*)/s ? $1 : '' }
sub status { my ($response) = @_; return $response =~ m{^HTTP/\S+ (\d+)} ? $1 : 'none' }

# Blocks say ok, is ... as every test does, with the block's name in front.
sub holds ($$) { my ($true, $what) = @_; ok($true, "$main::name - $what") }
sub equals ($$$) { my ($got, $want, $what) = @_; is($got, $want, "$main::name - $what") }

# A server that may have one connection is full while a bound request is there, and only then.
sub one_at_a_time {
    my $server = serve(1991);
    my $mine = 'route=127.0.0.1:1991';

    my $first = ask('/t/', $mine);
    my $held = taken($server);
    holds($held, 'the first request is at the server that its cookie names');

    my $second = response(ask('/t/', $mine));
    equals(body($second) =~ s/ .*//sr, 'B', 'the second goes elsewhere: the first was counted in');
    equals(head('Set-Cookie', $second), 'route=127.0.0.1:1986; Path=/', 'and the client is bound anew');

    answer($held, 'done');
    my $finished = response($first);
    equals(body($finished), 'done', 'the first is answered');
    equals(head('Set-Cookie', $finished), '', 'and needs no cookie');

    my $third = ask('/t/', $mine);
    $held = taken($server);
    holds($held, 'the third is at that server: the first was counted out');
    answer($held, 'done') if $held;
    equals(body(response($third)), 'done', 'the third is answered');
}

# The first connection to a server makes a TLS session, later ones resume it, whatever went to others between.
sub tls_sessions {
    my ($a, $b) = ('route=127.0.0.1:1995', 'route=127.0.0.1:1996');
    my @bodies = map { body(response(ask('/t/', $_))) } $a, $a, $b, $b, $a, $b;
    equals($bodies[0], "A reused=[.]\n", 'the first with A is new');
    equals($bodies[1], "A reused=[r]\n", 'the second with A is resumed');
    equals($bodies[2], "B reused=[.]\n", 'the first with B is new');
    equals($bodies[3], "B reused=[r]\n", 'the second with B is resumed');
    equals($bodies[4], "A reused=[r]\n", 'A again is resumed');
    equals($bodies[5], "B reused=[r]\n", 'B again is resumed');

    my $visitor = response(ask('/t/'));
    holds(body($visitor) =~ /reused=\[r\]/, 'and a first visitor resumes it as well');
}

run_tests();

__DATA__

=== max_conns with a zone: bound requests are counted in and out
--- upstream
zone z 64k;
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client eval
\&main::one_at_a_time



=== max_conns without a zone: bound requests are counted in and out
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client eval
\&main::one_at_a_time



=== max_conns of a backup server: bound requests are counted in and out
--- upstream
zone z 64k;
server 127.0.0.1:1986;
server 127.0.0.1:1991 max_conns=1 backup;
session_sticky hash=plain;
--- client eval
\&main::one_at_a_time



=== max_conns under least_conn: bound requests are counted in and out
--- upstream
zone z 64k;
least_conn;
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client eval
\&main::one_at_a_time



=== max_conns: a first visitor's request counts for bound ones too
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client eval
sub {
    my $server = main::serve(1991);
    my $visitor = main::ask('/t/');
    my $held = main::taken($server);
    main::holds($held, 'the first visitor is at the first server');
    main::equals(main::head('X-Tried', main::response(main::ask('/t/', 'route=127.0.0.1:1991'))), '127.0.0.1:1986',
                 'a bound client goes elsewhere meanwhile');
    main::answer($held, 'done') if $held;
    main::equals(main::head('Set-Cookie', main::response($visitor)), 'route=127.0.0.1:1991; Path=/',
                 'the first visitor is bound');
}



=== max_conns, fallback=off: 502 while the bound server is full
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain fallback=off;
--- client eval
sub {
    my $server = main::serve(1991);
    my $first = main::ask('/t/', 'route=127.0.0.1:1991');
    my $held = main::taken($server);
    main::holds($held, 'the first request is at its server');
    my $second = main::response(main::ask('/t/', 'route=127.0.0.1:1991'));
    main::equals(main::status($second), 502, 'the second gets 502');
    main::equals(main::head('Set-Cookie', $second), '', 'and no cookie');
    main::answer($held, 'done') if $held;
    main::equals(main::body(main::response($first)), 'done', 'the first is answered');
}



=== max_conns: a client that goes away is counted out
--- upstream
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client eval
sub {
    my $server = main::serve(1991);
    my $first = main::ask('/t/', 'route=127.0.0.1:1991');
    my $held = main::taken($server);
    main::holds($held, 'the first request is at its server');
    close $first;
    main::holds($held && IO::Select->new($held)->can_read($main::patience), 'nginx lets go of it when the client does');
    my $second = main::ask('/t/', 'route=127.0.0.1:1991');
    $held = main::taken($server);
    main::holds($held, 'the second request is at that server');
    main::answer($held, 'done') if $held;
    main::equals(main::body(main::response($second)), 'done', 'and is answered');
}



=== conns never wraps: after many bound requests first visitors are served, by all
--- upstream
zone z 64k;
server 127.0.0.1:1985 max_conns=1;
server 127.0.0.1:1986 max_conns=1;
session_sticky hash=plain;
--- client eval
sub {
    my $bound = grep { main::body(main::response(main::ask('/t/', 'route=127.0.0.1:1986'))) =~ /^B/ } 1 .. 20;
    main::equals($bound, 20, 'each of 20 bound requests is at its server');
    my @visitors = map { main::response(main::ask('/t/')) } 1 .. 10;
    main::equals(scalar(grep { main::status($_) == 200 } @visitors), 10, 'each of 10 first visitors is served');
    main::equals(scalar(grep { main::body($_) =~ /^A/ } @visitors), 5, 'half of them by A');
}



=== least_conn sees bound requests
--- upstream
zone z 64k;
least_conn;
server 127.0.0.1:1991;
server 127.0.0.1:1992;
session_sticky hash=plain;
--- client eval
sub {
    my ($one, $two) = (main::serve(1991), main::serve(1992));
    my @bound = map { main::ask('/t/', 'route=127.0.0.1:1991') } 1 .. 2;
    my @held = map { main::taken($one) } @bound;
    main::holds($held[0] && $held[1], 'two bound requests are at the first server');
    for my $nth ('first', 'second') {
        my $visitor = main::ask('/t/');
        my $taken = main::taken($two);
        main::holds($taken, "the $nth visitor goes to the idle one");
        push @held, $taken;
        push @bound, $visitor;
    }
    main::answer($_, 'done') for grep { $_ } @held;
    main::equals(scalar(grep { main::body(main::response($_)) eq 'done' } @bound), 4, 'all are answered');
}



=== max_conns with a zone: the other workers know
--- workers: 2
--- http_config
    server {
        listen 127.0.0.1:1983 reuseport;
        add_header X-Tried $upstream_addr always;
        add_header X-Worker $pid always;
        location /t/ { proxy_pass http://u/; }
    }
--- upstream
zone z 64k;
server 127.0.0.1:1991 max_conns=1;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- client eval
sub {
    my $server = main::serve(1991);
    my $mine = 'route=127.0.0.1:1991';
    my $first = main::ask('/t/', $mine, 1983);
    my $held = main::taken($server);
    main::holds($held, 'the first request is at its server');
    my @others = map { main::response(main::ask('/t/', $mine, 1983)) } 1 .. 40;
    my %workers = map { main::head('X-Worker', $_) => 1 } @others;
    main::equals(scalar(keys %workers), 2, 'the others are with two workers');
    main::equals(scalar(grep { main::head('X-Tried', $_) eq '127.0.0.1:1986' } @others), 40, 'and all of them go elsewhere');
    main::answer($held, 'done') if $held;
    main::equals(main::body(main::response($first)), 'done', 'the first is answered');
}



=== max_fails: bound requests count, and after that the dead server is left alone
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=2 fail_timeout=60s;
session_sticky hash=plain;
--- client eval
sub {
    my @tried = map { main::head('X-Tried', main::response(main::ask('/t/', 'route=127.0.0.1:1999'))) } 1 .. 5;
    main::equals("@tried[0, 1]", '127.0.0.1:1999, 127.0.0.1:1985 127.0.0.1:1999, 127.0.0.1:1985', 'two bound requests find it dead');
    main::equals("@tried[2 .. 4]", '127.0.0.1:1985 127.0.0.1:1985 127.0.0.1:1985', 'the next do not try it');
    @tried = map { main::head('X-Tried', main::response(main::ask('/t/'))) } 1 .. 4;
    main::equals("@tried", CORE::join(' ', ('127.0.0.1:1985') x 4), 'nor does the balancer');
}



=== max_fails: a first visitor's failure counts for bound requests
--- upstream
server 127.0.0.1:1999 max_fails=1 fail_timeout=60s;
server 127.0.0.1:1985;
session_sticky hash=plain;
--- client eval
sub {
    main::equals(main::head('X-Tried', main::response(main::ask('/t/'))), '127.0.0.1:1999, 127.0.0.1:1985', 'a first visitor finds it dead');
    main::equals(main::head('X-Tried', main::response(main::ask('/t/', 'route=127.0.0.1:1999'))), '127.0.0.1:1985',
                 'a bound request does not try it');
}



=== max_fails: a status that proxy_next_upstream passes on is a failure
--- config
location /t/ { proxy_pass http://u/; proxy_next_upstream http_503; }
--- http_config
server { listen 127.0.0.1:1991; return 503; }
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1991 max_fails=1 fail_timeout=60s;
session_sticky hash=plain;
--- client eval
sub {
    my @responses = map { main::response(main::ask('/t/', 'route=127.0.0.1:1991')) } 1 .. 2;
    main::equals(main::head('X-Tried', $responses[0]), '127.0.0.1:1991, 127.0.0.1:1985', 'another server is tried');
    main::equals(main::head('Set-Cookie', $responses[0]), 'route=127.0.0.1:1985; Path=/', 'and the client bound to it');
    main::equals(main::head('X-Tried', $responses[1]), '127.0.0.1:1985', 'the failure counts');
}



=== max_fails, fallback=off: 502 either way, but the dead server is left alone
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=2 fail_timeout=60s;
session_sticky hash=plain fallback=off;
--- client eval
sub {
    my @responses = map { main::response(main::ask('/t/', 'route=127.0.0.1:1999')) } 1 .. 4;
    main::equals(CORE::join(' ', map { main::status($_) } @responses), '502 502 502 502', 'all get 502');
    my @dialled = map { scalar(() = main::head('X-Tried', $_) =~ /127\.0\.0\.1:\d+/g) } @responses;
    main::equals("@dialled", '1 1 0 0', 'two of them dial it once each, the others no server at all');
}



=== max_fails=0: tried for every request that names it, once
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=0;
session_sticky hash=plain;
--- client eval
sub {
    my @tried = map { main::head('X-Tried', main::response(main::ask('/t/', 'route=127.0.0.1:1999'))) } 1 .. 4;
    main::equals(CORE::join(' | ', @tried), CORE::join(' | ', ('127.0.0.1:1999, 127.0.0.1:1985') x 4), 'first it, then the other');
}



=== tried is tried: the balancer does not dial the bound server again
--- upstream
server 127.0.0.1:1999 max_fails=0;
server 127.0.0.1:1998 max_fails=0;
server 127.0.0.1:1985;
session_sticky hash=plain;
--- client eval
sub {
    for (1 .. 6) {
        my $response = main::response(main::ask('/t/', 'route=127.0.0.1:1999'));
        my @tried = split /, /, main::head('X-Tried', $response);
        my %times;
        $times{$_}++ for @tried;
        main::equals($tried[0], '127.0.0.1:1999', 'the bound server first');
        main::equals($tried[-1], '127.0.0.1:1985', 'the live one last');
        main::holds(!(grep { $_ > 1 } values %times), "none twice: @tried");
    }
}



=== fail_timeout: a server that is back takes its sessions again
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1991 max_fails=1 fail_timeout=2s;
session_sticky hash=plain;
--- client eval
sub {
    my $mine = 'route=127.0.0.1:1991';
    main::equals(main::head('X-Tried', main::response(main::ask('/t/', $mine))), '127.0.0.1:1991, 127.0.0.1:1985', 'it is dead');
    my $server = main::serve(1991);
    main::sleep(3.2);
    my $asked = main::ask('/t/', $mine);
    my $taken = main::taken($server);
    main::holds($taken, 'after fail_timeout it is tried again');
    main::equals(main::head('X-Tried', main::response(main::ask('/t/', $mine))), '127.0.0.1:1985',
                 'by one request: the next goes elsewhere until that one is answered');
    main::answer($taken, 'back') if $taken;
    my $response = main::response($asked);
    main::equals(main::body($response), 'back', 'and answers');
    main::equals(main::head('Set-Cookie', $response), '', 'the cookie still holds');
    my @asked = map { main::ask('/t/', $mine) } 1 .. 3;
    my @taken = map { main::taken($server) } @asked;
    main::equals(scalar(grep { $_ } @taken), 3, 'its failures are forgotten');
    main::answer($_, 'back') for grep { $_ } @taken;
    main::equals(main::body(main::response($_)), 'back', 'and it answers all') for @asked;
}



=== max_fails with a zone: the other workers know, and so do their balancers
--- workers: 2
--- http_config
    server {
        listen 127.0.0.1:1983 reuseport;
        add_header X-Tried $upstream_addr always;
        add_header X-Worker $pid always;
        location /t/ { proxy_pass http://u/; }
    }
--- upstream
zone z 64k;
server 127.0.0.1:1985;
server 127.0.0.1:1999 max_fails=3 fail_timeout=60s;
session_sticky hash=plain;
--- client eval
sub {
    my @bound = map { main::response(main::ask('/t/', 'route=127.0.0.1:1999', 1983)) } 1 .. 40;
    my %workers = map { main::head('X-Worker', $_) => 1 } @bound;
    main::equals(scalar(keys %workers), 2, 'bound requests are with two workers');
    main::equals(scalar(grep { main::head('X-Tried', $_) =~ /1999/ } @bound), 3, 'three of them in all try the dead server');
    my @visitors = map { main::response(main::ask('/t/', undef, 1983)) } 1 .. 40;
    %workers = map { main::head('X-Worker', $_) => 1 } @visitors;
    main::equals(scalar(keys %workers), 2, 'first visitors are with two workers');
    main::equals(scalar(grep { main::head('X-Tried', $_) =~ /1999/ } @visitors), 0, 'none of them tries it');
}



=== proxy_next_upstream off: a bound server that is dead means 502
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



=== 70 servers, more than a word has bits: each is found by its cookie
--- http_config
server { listen 1993; location / { return 200 "$server_addr\n"; } }
--- upstream eval
CORE::join('', map { "server 127.0.1.$_:1993;\n" } 1 .. 70) . "session_sticky hash=plain;"
--- client eval
sub {
    my @wrong = grep { main::body(main::response(main::ask('/t/', "route=127.0.1.$_:1993"))) ne "127.0.1.$_\n" } 1 .. 70;
    main::equals("@wrong", '', 'none is mistaken for another');
}



=== 70 servers: the last is dead, another takes over and it is not tried twice
--- http_config
server { listen 1993; location / { return 200 "$server_addr\n"; } }
--- upstream eval
CORE::join('', map { "server 127.0.1.$_:1993;\n" } 1 .. 69) . "server 127.0.0.1:1999 max_fails=0;\nsession_sticky hash=plain;"
--- client eval
sub {
    my @tried = map { main::head('X-Tried', main::response(main::ask('/t/', 'route=127.0.0.1:1999'))) } 1 .. 80;
    main::equals(scalar(grep { /^127\.0\.0\.1:1999, 127\.0\.1\.\d+:1993$/ } @tried), 80, 'first it, then one of the others');
}



=== keepalive: connections to the bound server are used again
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky hash=plain;
keepalive 8;
--- client eval
sub {
    my (@of_a, @of_b);
    for (1 .. 3) {
        push @of_b, main::body(main::response(main::ask('/t/', 'route=127.0.0.1:1986')));
        push @of_a, main::body(main::response(main::ask('/t/', 'route=127.0.0.1:1985')));
    }
    main::holds($of_a[0] =~ /^A connection=\d+$/, 'A answers its client');
    main::holds($of_b[0] =~ /^B connection=\d+$/, 'B answers its client');
    main::equals(CORE::join('', @of_a), $of_a[0] x 3, 'A on one connection');
    main::equals(CORE::join('', @of_b), $of_b[0] x 3, 'B on one connection');
}



=== keepalive: a first visitor's connection serves bound requests
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- upstream
zone z 64k;
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky hash=plain;
keepalive 8;
--- client eval
sub {
    my $visitor = main::body(main::response(main::ask('/t/')));
    main::holds($visitor =~ /^A connection=\d+$/, 'A answers the first visitor');
    my $bound = main::body(main::response(main::ask('/t/', 'route=127.0.0.1:1985')));
    main::equals($bound, $visitor, 'and a bound one on the same connection');
}



=== keepalive with max_conns: kept connections are counted out
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- upstream
zone z 64k;
server 127.0.0.1:1985 max_conns=1;
server 127.0.0.1:1986 max_conns=1;
session_sticky hash=plain fallback=off;
keepalive 8;
--- client eval
sub {
    my @bound = map { main::body(main::response(main::ask('/t/', 'route=127.0.0.1:1986'))) } 1 .. 20;
    main::holds($bound[0] =~ /^B connection=\d+$/, 'B answers');
    main::equals(CORE::join('', @bound), $bound[0] x 20, 'all 20 bound requests on one connection');
    my $served = grep { main::status(main::response(main::ask('/t/'))) == 200 } 1 .. 10;
    main::equals($served, 10, 'first visitors are served');
}



=== keepalive: a kept connection that the server closed is no failure
--- config
location /t/ { proxy_pass http://u/; proxy_http_version 1.1; proxy_set_header Connection ""; }
--- upstream
server 127.0.0.1:1991 max_fails=1 fail_timeout=60s;
server 127.0.0.1:1986;
session_sticky hash=plain;
keepalive 8;
--- client eval
sub {
    my $server = main::serve(1991);
    for my $nth ('first', 'second', 'third') {
        my $asked = main::ask('/t/', 'route=127.0.0.1:1991');
        my $taken = main::taken($server);
        main::holds($taken, "the $nth request is at its server") or last;
        print $taken "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine";
        main::equals(main::body(main::response($asked)), 'mine', "the $nth is answered");
        close $taken;
        main::sleep(0.1);
    }
}



=== TLS: the session with each server is reused for bound requests
--- config
location /t/ { proxy_pass https://u/; proxy_set_header Connection close; }
--- upstream
server 127.0.0.1:1995;
server 127.0.0.1:1996;
session_sticky hash=plain;
--- client eval
\&main::tls_sessions
--- skip_eval: 10: $main::valgrind # nginx itself never frees the last TLS session of a server outside a zone



=== TLS with a zone: the session with each server is reused for bound requests
--- config
location /t/ { proxy_pass https://u/; proxy_set_header Connection close; proxy_ssl_session_reuse on; }
--- upstream
zone z 128k;
server 127.0.0.1:1995;
server 127.0.0.1:1996;
session_sticky hash=plain;
--- client eval
\&main::tls_sessions



=== TLS over least_conn: the session with each server is reused for bound requests
--- config
location /t/ { proxy_pass https://u/; proxy_set_header Connection close; }
--- upstream
least_conn;
server 127.0.0.1:1995;
server 127.0.0.1:1996;
session_sticky hash=plain;
--- client eval
\&main::tls_sessions
--- skip_eval: 10: $main::valgrind # nginx itself never frees the last TLS session of a server outside a zone



=== TLS: proxy_ssl_session_reuse off is off
--- config
location /t/ { proxy_pass https://u/; proxy_set_header Connection close; proxy_ssl_session_reuse off; }
--- upstream
server 127.0.0.1:1995;
server 127.0.0.1:1996;
session_sticky hash=plain;
--- client eval
sub {
    my @b = map { main::body(main::response(main::ask('/t/', 'route=127.0.0.1:1996'))) } 1 .. 3;
    main::equals(CORE::join('', @b), "B reused=[.]\n" x 3, 'every session is new');
}
