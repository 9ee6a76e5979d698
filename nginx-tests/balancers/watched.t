# A module that links servers in and out, and counts no generation (nginx-upsync-module): servers are looked at anew for
# each request, also while what is known of them is in use. The probe stands for it, by its name.

BEGIN {
    if (my ($probe) = ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ /(\S*probe\.so)/) {
        my $watched = "$ENV{CHECK_DIR}/watched.so";
        open my $from, '<:raw', $probe or die "$probe: $!\n";
        my $text = do { local $/; <$from> };
        my ($name, $other) = ("ngx_http_upstream_probe_module\0", "ngx_http_upsync_module\0");
        # The first one is a symbol's.
        my $seen = 0;
        $text =~ s/\Q$name\E/$seen++ ? $other . "\0" x (length($name) - length $other) : $name/ge;
        $seen > 1 or die "the name of the probe does not stand in it\n";
        open my $to, '>:raw', $watched or die "$watched: $!\n";
        print $to $text;
        close $to or die "$watched: $!\n";
        $ENV{TEST_NGINX_LOAD_MODULES} =~ s/\Q$probe\E/$watched/;
    }
}

use Sticky qw(Upstreams Visits);

my $servers = servers('location / { add_header Set-Cookie "app=own; Path=/"; return 200 "NAME"; }', qw(A B));

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => $servers . entrance(addressed($block->upstreams)));
});

run_tests();

__DATA__

=== the session of a server that is down, or that shares its id with one: its response is edited all the same
--- upstreams
upstream prefix  { server A: down; server B:; session_sticky cookie=app mode=prefix; }
upstream rewrite { server A: down; server B:; session_sticky cookie=app mode=rewrite; }
upstream accept  { server A:; server B:; session_sticky cookie=route fallback=off accept=plain; }
upstream shared  { server 127.0.0.1:1999 id=one; server B: id=one; session_sticky hash=plain cookie=route accept=md5; }
--- client
my $response = visit('/prefix/', "app=$id{A}~own", 1983);
equals(set($response), "app=$id{B}~own; Path=/", 'mode=prefix: the id of the server that serves');
$response = visit('/rewrite/', "app=$id{A}", 1983);
equals(set($response), "app=$id{B}; Path=/", 'mode=rewrite: its id as well');
$response = visit('/accept/', 'route=127.0.0.1:1986', 1983);
equals(body($response), 'B', 'accept=plain: the session is there');
equals((heads('Set-Cookie', $response))[-1], "route=$id{B}; Path=/", 'and gets an id of our own scheme');
$response = visit('/shared/', 'route=one', 1983);
equals(body($response), 'B', 'a shared id: the other server serves');
--- no_error_log
[alert]
[crit]
